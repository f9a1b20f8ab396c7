use super::*;
use proptest::prelude::*;

const WORDINGS: [[&str; 2]; 8] = [
    [
        "For a period of three years, yes. I would like to announce it together.",
        "Yes, for a three-year period. I should like us to announce it jointly.",
    ],
    [
        "The two points that worry me are the northern boundary and the inspection of vessels.",
        "My two worries are the boundary in the north and how vessels are inspected.",
    ],
    [
        "We can accept joint patrols if the crews are mixed from the first day.",
        "Joint patrols are acceptable to us, with mixed crews from the first day on.",
    ],
    [
        "Your minister should call mine before Friday so that the text is settled.",
        "Before Friday your minister ought to ring mine, to settle the text.",
    ],
    [
        "The quota for cod cannot go below the figure that we gave in Lisbon.",
        "We gave a figure for the cod quota in Lisbon, and cannot go below it.",
    ],
    [
        "I will not raise the harbour fees in public while we are negotiating.",
        "While negotiations last, the harbour fees will stay out of my public remarks.",
    ],
    [
        "Let us speak again after the council has met next month.",
        "We should talk once more when next month's council is over.",
    ],
    [
        "My parliament will ask why the inspectors come from only one side.",
        "One-sided inspections are what my parliament is going to ask about.",
    ],
];
const COMMON: &str =
    "It is good to hear your voice, Madam President. My minister told me the same about the weather in the capital.";

/// Copies with these choices, one bit for each portion.
fn material(copies: &[u8]) -> Material {
    Material {
        portions: WORDINGS
            .iter()
            .map(|wordings| TracedPortion { wordings: wordings.iter().map(|text| (*text).to_owned()).collect() })
            .collect(),
        common: vec![COMMON.to_owned()],
        copies: copies.iter().enumerate().map(|(at, bits)| copy(at as u32 + 1, *bits)).collect(),
    }
}

fn copy(number: u32, bits: u8) -> TracedCopy {
    TracedCopy { number, choices: (0..8).map(|portion| bits >> portion & 1).collect(), lines: Vec::new() }
}

/// The text of portions `from..to` with these choices.
fn text(bits: u8, from: usize, to: usize) -> String {
    (from..to).map(|portion| WORDINGS[portion][usize::from(bits >> portion & 1)]).collect::<Vec<_>>().join("\n")
}

/// At least two portions differ between any two, and from 0, the record copy.
const COPIES: [u8; 6] = [0b0000_1111, 0b0011_0011, 0b0101_0101, 0b1111_0000, 0b1100_1100, 0b1010_1010];

#[test]
fn a_whole_copy_is_found_even_if_it_was_typed_with_mistakes() {
    let material = material(&COPIES);
    for (at, bits) in COPIES.into_iter().enumerate() {
        let typed = text(bits, 0, 8).replace("joint", "common").replace(" the ", " teh ").to_uppercase();
        let found = trace(&material, &typed, Lines::Reflowed);
        assert_eq!(found.fits[0].number, at as u32 + 1);
        assert!(found.fits[0].probability > 0.95, "{found:?}");
        assert!(found.fits[0].chance < 0.01 && found.telling == 8);
        let sum: f64 = found.fits.iter().map(|fit| fit.probability).sum::<f64>() + found.none;
        assert!((sum - 1.0).abs() < 1e-9);
    }
}

#[test]
fn one_paragraph_leaves_doubt_and_says_how_much() {
    let found = trace(&material(&COPIES), &text(COPIES[0], 0, 1), Lines::Reflowed);
    // Three copies have this wording.
    assert!(found.fits[0].probability < 0.35, "{found:?}");
    assert_eq!(found.telling, 1);
    assert!(found.fits[0].chance >= 0.5, "one of two wordings: {found:?}");
    assert!((found.fits[0].probability - found.fits[2].probability).abs() < 1e-9);
}

#[test]
fn text_that_all_copies_have_tells_nothing_about_any() {
    let found = trace(&material(&COPIES), COMMON, Lines::Reflowed);
    assert_eq!(found.telling, 0);
    assert!(
        found.fits.iter().all(|fit| (fit.probability - found.fits[0].probability).abs() < 1e-6 && fit.chance > 0.99)
    );
}

#[test]
fn a_text_from_elsewhere_fits_none() {
    let leak =
        "The council of the city decided yesterday to repair the old bridge across the river before winter comes.";
    let found = trace(&material(&COPIES), leak, Lines::Reflowed);
    assert!(found.none > 0.45 && found.fits[0].probability < 0.15, "{found:?}");
    assert!(found.summary().starts_with("The text fits none of the copies alone"));
    assert_eq!(trace(&material(&[]), leak, Lines::Reflowed).none, 1.0);
    assert_eq!(trace(&material(&COPIES), "", Lines::AsPrinted).words, 0);
}

#[test]
fn words_for_people_never_name_a_culprit() {
    let found = trace(&material(&COPIES), &text(COPIES[3], 0, 8), Lines::Reflowed);
    let summary = found.summary();
    assert!(summary.contains("copy 4") && summary.contains("not a culprit"), "{summary}");
    for word in ["guilty", "leaker", "leaked by", "proves"] {
        assert!(!summary.contains(word), "{summary}");
    }
}

#[test]
fn line_breaks_of_a_photographed_page_count_but_not_without_bound() {
    let words: Vec<&str> =
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen \
        seventeen eighteen nineteen twenty"
            .split(' ')
            .collect();
    let lines = |width: usize| words.chunks(width).map(|line| line.join(" ")).collect::<Vec<_>>();
    let mut material = material(&[0, 0, 0, 0]);
    for (copy, width) in material.copies.iter_mut().zip([3, 4, 5, 7]) {
        copy.lines = vec![lines(width)];
    }
    let leaked = lines(5).join("\n");
    let found = trace(&material, &leaked, Lines::AsPrinted);
    assert_eq!(found.fits[0].number, 3);
    // At most the number of layouts: 32 to 1 for one paragraph, and half of it may be the leak's own lines.
    assert!(found.fits[0].probability < 0.9, "{found:?}");
    assert!(found.fits[0].chance > 1.0 / 33.0);
    let reflowed = trace(&material, &leaked, Lines::Reflowed);
    assert!((reflowed.fits[0].probability - reflowed.fits[3].probability).abs() < 1e-9);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_text_averaged_over_two_copies_accuses_neither(a in 0usize..6, step in 1usize..6, mask in any::<u8>()) {
        let b = (a + step) % 6;
        let (first, second) = (COPIES[a], COPIES[b]);
        let mixed = first & mask | second & !mask;
        // A mix that differs from every copy in two portions or more.
        prop_assume!(COPIES.iter().all(|bits| (bits ^ mixed).count_ones() >= 2));
        let found = trace(&material(&COPIES), &text(mixed, 0, 8), Lines::Reflowed);
        prop_assert!(found.none > 0.5, "{:?}", found);
        prop_assert!(found.fits[0].probability < 0.5);
    }

    #[test]
    fn a_text_without_marks_accuses_nobody(from in 0usize..3, to in 5usize..=8) {
        // All wordings are the record copy's.
        let found = trace(&material(&COPIES), &text(0, from, to), Lines::Reflowed);
        prop_assert!(found.fits[0].probability < 0.5, "{:?}", found);
    }

    #[test]
    fn arbitrary_texts_give_probabilities(leak in "\\PC{0,400}", bits in proptest::collection::vec(any::<u8>(), 0..5)) {
        let found = trace(&material(&bits), &leak, Lines::AsPrinted);
        let sum: f64 = found.fits.iter().map(|fit| fit.probability).sum::<f64>() + found.none;
        prop_assert!((sum - 1.0).abs() < 1e-6);
        prop_assert!(found.fits.iter().all(|fit| (0.0..=1.0).contains(&fit.chance) && fit.probability >= 0.0));
    }
}
