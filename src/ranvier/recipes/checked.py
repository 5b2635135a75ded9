"""The check that every part of a recipe goes through."""

# Which numbers make sense: counts from 1 on, shares from 0 to 1, others from 0 on or above it.
COUNTS = (
    "window_us",
    "slice_us",
    "steps",
    "count",
    "length",
    "tokens",
    "arguments",
    "rows",
    "stride",
    "every",
    "bins",
    "events_per_bin",
    "in_channels",
    "size",
    "sensor",
    "channels",
    "scales",
    "event_channels",
    "stem_channels",
    "low_channels",
    "depth",
    "width",
    "kernel_size",
    "layers",
    "outputs",
    "days",
    "division",
    "cutoffs",
    "held_out",
    "neurons",
    "dilations",
    "epochs",
    "batch_size",
    "checkpoint_every",
    "seeds",
    "epochs_together",
    "numbers",
    "widths",
    "depths",
)
SHARES = (
    "tau",
    "decay",
    "frame_decay",
    "dropout",
    "channel_dropout",
    "count_jitter",
    "embedding_dropout",
    "softmax_dropout",
    "pool_momentum",
    "label_smoothing",
    "warmup",
    "match_iou",
    "least_score",
    "nms_iou",
    "ohem_threshold",
    "shares",
)
POSITIVE = ("zoom", "sigma", "bin_ms", "minutes", "gain", "calibration")
NOT_NEGATIVE = (
    "burn_in",
    "ohem_least",
    "held_out_steps",
    "first_mask",
    "warmup_steps",
    "schedule_steps",
    "window",
    "lr",
    "weight_decay",
    "lag_ms",
    "smooth_ms",
    "gap_ms",
    "jitter_deg",
    "gain_spread",
    "replaced",
    "first_day",
)


class Checked:
    """A part of a recipe that refuses numbers without a meaning, be they from Python, the command line or a file."""

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            values = value if isinstance(value, tuple) else (value,)
            # A field that may count or name, such as days, has no least name.
            numbers = [value for value in values if isinstance(value, int | float)]
            if name in COUNTS and any(number < 1 for number in numbers):
                raise ValueError(f"expected {name} of 1 or more, got {value}")
            if name in SHARES and not all(0 <= number <= 1 for number in numbers):
                raise ValueError(f"expected {name} from 0 to 1, got {value}")
            if name in POSITIVE and any(number <= 0 for number in numbers):
                raise ValueError(f"expected {name} above 0, got {value}")
            if name in NOT_NEGATIVE and any(number < 0 for number in numbers):
                raise ValueError(f"expected {name} of 0 or more, got {value}")
