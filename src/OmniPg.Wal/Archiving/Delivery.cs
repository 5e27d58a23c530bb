using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>One file at one destination during one call: what is there already is compared, what is missing is stored, and what became of it is told.</summary>
/// <param name="destination">The destination.</param>
/// <param name="file">The file.</param>
/// <param name="path">Where it lies.</param>
/// <param name="isLookingAhead">Whether nobody is surprised to find it there already.</param>
/// <param name="time">Clock of the time-out.</param>
/// <param name="log">Told what need not be stored.</param>
internal sealed class Delivery(ArchiveDestination destination, WalFileName file, string path, bool isLookingAhead, TimeProvider time, ILogger log)
{
    private string? _existing;
    private ArchivePresence? _presence;
    private Func<CancellationToken, Task>? _claim;
    private WalDeliveryStatus? _status;
    private WalException? _error;
    private long _storedBytes;
    private TimeSpan _elapsed;
    private int _tries;

    public ArchiveDestination Destination => destination;

    /// <summary>Of what this call stored.</summary>
    public string? StoredSha256 { get; private set; }

    public bool IsOpen => _status is null;

    /// <summary>Whether a copy is there that has to be compared.</summary>
    public bool IsThere => IsOpen && _existing is not null;

    /// <summary>Whether the place is free, so that a copy has to be stored.</summary>
    public bool IsMissing => IsOpen && _existing is null;

    public bool Holds => _status is WalDeliveryStatus.Stored or WalDeliveryStatus.AlreadyPresent or WalDeliveryStatus.SkippedDone;

    /// <summary>Leaves out a destination that is used only while it exists.</summary>
    public void SkipIfAbsent()
    {
        if (!destination.IsActive)
            _status = WalDeliveryStatus.SkippedAbsent;
    }

    /// <summary>Looks whose archive it is and whether it holds the file; changes nothing.</summary>
    /// <param name="binding">The cluster's claim to its archives; null without control file.</param>
    /// <param name="done">Destinations that hold the file by the delivery state.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <exception cref="WalArchiveMismatchException">The archive is another cluster's.</exception>
    public async Task LookAsync(ClusterBinding? binding, IReadOnlyCollection<string> done, CancellationToken cancellationToken)
    {
        try
        {
            _existing = await WithinTimeAsync(
                async token =>
                {
                    if (destination.Store is not { } store)
                        return null;
                    _presence = await ArchivePresence.BeginAsync(store, token).ConfigureAwait(false);
                    if (binding is not null)
                        _claim = await binding.CheckAsync(destination, token).ConfigureAwait(false);
                    return await destination.FindAsync(file, token).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not (OperationCanceledException or WalArchiveMismatchException))
        {
            Fail(error);
            return;
        }

        // The state says what was done, the destination whether it is still there: a disk may have been swapped or emptied since.
        if (done.Contains(destination.StateId) && (_existing is not null || destination.Store is null))
        {
            _status = WalDeliveryStatus.SkippedDone;
            WalLog.AlreadySent(log, path, destination.Id);
        }
    }

    /// <summary>The order to the pump.</summary>
    public CopyTarget ToTarget() => destination.TargetFor(file) with { BeforeCommit = SecureAsync };

    /// <summary>Compares the copy that is there with what was read, and makes sure that it stays.</summary>
    /// <exception cref="WalConflictException">It is another one.</exception>
    public async Task CompareAsync(ObjectContent content, CancellationToken cancellationToken)
    {
        try
        {
            var existing = _existing!;
            await WithinTimeAsync(
                async token =>
                {
                    await destination.RequireEqualAsync(existing, file, path, content, token).ConfigureAwait(false);
                    // Whoever published it may have been killed before its name was on disk.
                    await destination.Store!.EnsureDurableAsync(existing, token).ConfigureAwait(false);
                    await SecureAsync(token).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
            _status = WalDeliveryStatus.AlreadyPresent;
            if (isLookingAhead)
                WalLog.WasArchived(log, file, destination.Id);
            else
                WalLog.AlreadyPresent(log, file, destination.Id);
        }
        catch (Exception error) when (error is not (OperationCanceledException or WalConflictException))
        {
            Fail(error);
        }
    }

    /// <summary>Takes what the pump says.</summary>
    public async Task SettleAsync(TargetOutcome outcome, ObjectContent content, CancellationToken cancellationToken)
    {
        if (outcome.Error is { } error)
        {
            Fail(error, outcome.Elapsed);
            return;
        }

        if (outcome.Commit == ObjectCommitResult.Created)
        {
            (_storedBytes, StoredSha256, _elapsed) = (outcome.StoredBytes, outcome.StoredSha256, outcome.Elapsed);
            _status = WalDeliveryStatus.Stored;
            return;
        }

        // Somebody else published the same name meanwhile: fine if it was the same file.
        _existing = outcome.Target.Key;
        try
        {
            await CompareAsync(content, cancellationToken).ConfigureAwait(false);
        }
        catch (WalConflictException conflict)
        {
            Fail(conflict, outcome.Elapsed);
        }
    }

    /// <summary>Opens a failed delivery for another try, if it has one left.</summary>
    public bool TryReopen()
    {
        // A conflict or a foreign archive stays what it is however often it is tried.
        if (_status != WalDeliveryStatus.Failed || _tries >= destination.Attempts || _error is { IsTransient: false })
            return false;
        (_status, _error) = (null, null);
        return true;
    }

    public WalDestinationResult ToResult() =>
        new(destination.Id, _status ?? WalDeliveryStatus.Failed, _storedBytes, _elapsed, _error, destination.IsRequired) { StoredSha256 = StoredSha256 };

    // The last step before a copy counts: the place is still the one that was looked at, and it is this cluster's from now on.
    private async Task SecureAsync(CancellationToken cancellationToken)
    {
        if (_presence is { } presence)
            await presence.RequireSamePlaceAsync(cancellationToken).ConfigureAwait(false);
        if (_claim is { } claim)
            await claim(cancellationToken).ConfigureAwait(false);
        _claim = null;
    }

    private void Fail(Exception error, TimeSpan elapsed = default)
    {
        _tries++;
        _elapsed = elapsed;
        _status = WalDeliveryStatus.Failed;
        _error = error as WalException ?? WalDestinationException.Failed(destination.Id, file.ToString(), error);
    }

    // On a thread of its own, because a look at a mount whose server is gone blocks in the kernel and hears no cancellation.
    private async Task<T> WithinTimeAsync<T>(Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var limit = new CancellationTokenSource(destination.Timeout, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token);
        var token = either.Token;
        var running = OwnThread.RunAsync(() => work(token)).Unwrap();
        try
        {
            return await running.WaitAsync(token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            _ = running.ContinueWith(static late => late.Exception, CancellationToken.None, TaskContinuationOptions.OnlyOnFaulted, TaskScheduler.Default);
            throw WalDestinationException.TimedOut(destination.Id, file.ToString(), destination.Timeout);
        }
    }
}
