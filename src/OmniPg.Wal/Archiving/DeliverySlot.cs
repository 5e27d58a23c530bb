namespace OmniPg.Wal;

/// <summary>What one call knows of one destination so far.</summary>
internal sealed class DeliverySlot(ArchiveDestination destination)
{
    private long _storedBytes;
    private TimeSpan _elapsed;

    public ArchiveDestination Destination { get; } = destination;

    /// <summary>Key and codec of a file that is there already and has to be compared; null when the place is free.</summary>
    public (string Key, Codec Codec)? Existing { get; set; }

    /// <summary>Makes the archive this cluster's; null when it is already.</summary>
    public Func<CancellationToken, Task>? Claim { get; set; }

    /// <summary>The place as it was looked at first.</summary>
    public ArchivePresence? Presence { get; set; }

    public WalDeliveryStatus? Status { get; private set; }

    /// <summary>Of what this call stored.</summary>
    public string? StoredSha256 { get; private set; }

    public WalException? Error { get; private set; }

    public int Tries { get; private set; }

    public bool IsOpen => Status is null;

    public bool Holds => Status is WalDeliveryStatus.Stored or WalDeliveryStatus.AlreadyPresent or WalDeliveryStatus.SkippedDone;

    /// <summary>The last step before a copy counts: the place is still the one that was looked at, and it is this cluster's from now on.</summary>
    public async Task SecureAsync(CancellationToken cancellationToken)
    {
        if (Presence is { } presence)
            await presence.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
        if (Claim is { } claim)
            await claim(cancellationToken).ConfigureAwait(false);
        Claim = null;
    }

    public void Close(WalDeliveryStatus status) => Status = status;

    public void Stored(TargetOutcome outcome)
    {
        (_storedBytes, StoredSha256, _elapsed) = (outcome.StoredBytes, outcome.StoredSha256, outcome.Elapsed);
        Status = WalDeliveryStatus.Stored;
    }

    public void Fail(Exception error, WalFileName file, TimeSpan elapsed = default)
    {
        Tries++;
        _elapsed = elapsed;
        Status = WalDeliveryStatus.Failed;
        Error = error as WalException ?? WalDestinationException.Failed(Destination.Id, file.ToString(), error);
    }

    /// <summary>Opens a failed slot for another try, if it has one left.</summary>
    public bool TryReopen()
    {
        // A conflict or a foreign archive stays what it is however often it is tried.
        if (Status != WalDeliveryStatus.Failed || Tries >= Destination.Attempts || Error is { IsTransient: false })
            return false;
        (Status, Error) = (null, null);
        return true;
    }

    public WalDestinationResult ToResult() =>
        new(Destination.Id, Status ?? WalDeliveryStatus.Failed, _storedBytes, _elapsed, Error, Destination.IsRequired) { StoredSha256 = StoredSha256 };
}
