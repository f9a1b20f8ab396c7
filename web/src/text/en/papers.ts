// The lists of what is written about calls.

export const papers = {
  nav: 'Papers',
  title: 'Papers',
  lists: 'Lists',
  tabs: {
    plans: 'Planned calls',
    memoranda: 'Memoranda',
    copies: 'Copies for you',
    actions: 'Promises',
    readouts: 'Readouts',
    trace: 'Trace a leak',
  },
  back: 'Back to the list',
  empty: 'Nothing here yet',
};
