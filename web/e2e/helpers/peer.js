// The other end of a leg for the fake engine: answers the page's offers, sends the fake microphone encrypted with the
// fake cipher, and counts received frames and whether they are encrypted.

const SHIFT = 85;
const channel = new BroadcastChannel('fake-world');
window.heard = { frames: 0, sizes: [], clear: [], legs: 0, levels: 0 };
const worker = new Worker('/peer-worker.js');
worker.onmessage = ({ data }) => {
  window.heard.frames++;
  window.heard.sizes.push(data.size);
  if (!data.sealed) window.heard.clear.push([window.heard.frames, data.size, ...data.head]);
};

let connection;
channel.onmessage = async ({ data }) => {
  if (data.fake !== 'offer') return;
  window.heard.legs++;
  if (/audio-level/.test(data.sdp)) window.heard.levels++;
  connection?.close();
  connection = new RTCPeerConnection();
  await connection.setRemoteDescription({ type: 'offer', sdp: data.sdp });
  const [up, down] = connection.getTransceivers();
  up.receiver.transform = new RTCRtpScriptTransform(worker, { side: 'receive', shift: SHIFT });
  down.direction = 'sendonly';
  down.sender.transform = new RTCRtpScriptTransform(worker, { side: 'send', shift: SHIFT });
  const [track] = (await navigator.mediaDevices.getUserMedia({ audio: true })).getAudioTracks();
  await down.sender.replaceTrack(track);
  await connection.setLocalDescription();
  const complete = new Promise((resolve) => {
    connection.onicegatheringstatechange = () => connection.iceGatheringState === 'complete' && resolve();
    if (connection.iceGatheringState === 'complete') resolve();
  });
  await complete;
  channel.postMessage({ fake: 'sdp', sdp: connection.localDescription.sdp });
};
window.channel = channel;
