package admit

// bucketsMax bounds the throttled targets that are counted at once: 4 MiB. Who
// finds no place is refused, since only a flood of verdicts fills it.
const bucketsMax = 32 << 10
