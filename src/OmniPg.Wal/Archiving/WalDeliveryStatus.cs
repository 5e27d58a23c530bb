namespace OmniPg.Wal;

/// <summary>What became of a file at one destination.</summary>
public enum WalDeliveryStatus
{
    /// <summary>Written by this call and durable.</summary>
    Stored,

    /// <summary>The destination held a copy of equal content already; it was read and compared, not written.</summary>
    AlreadyPresent,

    /// <summary>The delivery state says that an earlier call stored it.</summary>
    SkippedDone,

    /// <summary>The destination's directory does not exist, and it is used only when it does.</summary>
    SkippedAbsent,

    /// <summary>The destination does not hold the file; <see cref="WalDestinationResult.Error"/> says why.</summary>
    Failed,
}
