namespace OmniPg.Wal;

/// <summary>One call: looks at what the destinations hold, pumps the file to those that lack it, and sums up.</summary>
internal sealed class ArchiveRun(WalArchiver archiver, WalFileName file, string path, IProgress<WalProgress>? progress)
{
    private readonly long _started = archiver.Time.GetTimestamp();
    private readonly DeliverySlot[] _slots = [.. archiver.Destinations.Select(static d => new DeliverySlot(d))];
    private readonly DeliveryState _state = new(archiver.Options.StateDirectory, file);
    private IReadOnlyCollection<string> _done = [];

    private IEnumerable<DeliverySlot> Open => _slots.Where(static s => s.IsOpen);

    public async Task<WalArchiveResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        foreach (var slot in _slots.Where(static s => !s.Destination.IsActive))
            slot.Close(WalDeliveryStatus.SkippedAbsent);
        var cluster = archiver.ReadControlFile();
        // Without a state nothing was left half done, and the second read that comparing with it needs is saved.
        if (_state.Exists)
            await ReadStateAsync(cancellationToken).ConfigureAwait(false);
        await Task.WhenAll(Open.ToArray().Select(s => LookAsync(s, cluster, cancellationToken))).ConfigureAwait(false);

        var outcome = await CopyAsync(cluster, null, cancellationToken).ConfigureAwait(false);
        while (await ReopenAsync(cancellationToken).ConfigureAwait(false))
        {
            await Task.WhenAll(Open.ToArray().Select(s => LookAsync(s, cluster, cancellationToken))).ConfigureAwait(false);
            outcome = await CopyAsync(cluster, outcome.Content, cancellationToken).ConfigureAwait(false);
        }

        return await FinishAsync(outcome, cluster, cancellationToken).ConfigureAwait(false);
    }

    // The state counts for this content only, so the file is read once more before it may be skipped anywhere.
    private async Task ReadStateAsync(CancellationToken cancellationToken)
    {
        if (_state.Read() is not { } state)
        {
            WalLog.StateDiscarded(archiver.Log, file.ToString());
            return;
        }

        // A name may come again with other content after the cluster was restored; its state must not pass that over.
        var source = FileCopySource.Open(path);
        await using var closing = source.ConfigureAwait(false);
        var read = (await archiver.Copier.CopyAsync(new CopyRequest { Source = source, Targets = [] }, cancellationToken).ConfigureAwait(false)).Content;
        var isThis = read.RawBytes == state.Size
            && (state.Xxh128 is { } hash ? hash == read.Xxh128 : state.Sha256 is { } older && older == await StoredCopies.Sha256Async(path, cancellationToken).ConfigureAwait(false));
        _done = isThis && state.Done is { } done ? done.Keys : [];
    }

    private async Task LookAsync(DeliverySlot slot, PgControlFile? cluster, CancellationToken cancellationToken)
    {
        var destination = slot.Destination;
        try
        {
            slot.Existing = await WithinTimeAsync(
                slot,
                async token =>
                {
                    if (destination.Store is not { } store)
                        return null;
                    slot.Presence = await ArchivePresence.BeginAsync(store, token).ConfigureAwait(false);
                    if (cluster is not null)
                        slot.Claim = await new ClusterBinding(cluster, archiver.Options, archiver.Time).CheckAsync(destination, token).ConfigureAwait(false);
                    return await StoredCopies.FindAsync(store, destination, file, token).ConfigureAwait(false);
                },
                cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not (OperationCanceledException or WalArchiveMismatchException))
        {
            slot.Fail(error, file);
            return;
        }

        // The state says what was done, the destination whether it is still there: a disk may have been swapped or emptied since.
        if (_done.Contains(destination.StateId) && (slot.Existing is not null || destination.Store is null))
        {
            slot.Close(WalDeliveryStatus.SkippedDone);
            WalLog.AlreadySent(archiver.Log, path, destination.Id);
        }
    }

    // On a thread of its own, because a look at a mount whose server is gone blocks in the kernel and hears no cancellation.
    private async Task<T> WithinTimeAsync<T>(DeliverySlot slot, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        var allowed = slot.Destination.TargetFor(file).Timeout;
        using var limit = new CancellationTokenSource(allowed, archiver.Time);
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
            throw WalDestinationException.TimedOut(slot.Destination.Id, file.ToString(), allowed);
        }
    }

    private async Task<CopyOutcome> CopyAsync(PgControlFile? cluster, ObjectContent? before, CancellationToken cancellationToken)
    {
        DeliverySlot[] pending = [.. Open.Where(static s => s.Existing is null)];
        if (archiver.Options.MaxParallelism is not { } limit || pending.Length <= limit)
            return await CopyAsync(pending, cluster, before, cancellationToken).ConfigureAwait(false);
        CopyOutcome? outcome = null;
        // By codec, so that destinations of one codec fall into one group and share its pass.
        foreach (var group in pending.OrderBy(static s => s.Destination.Codec.Name, StringComparer.Ordinal).Chunk(limit))
            outcome = await CopyAsync(group, cluster, outcome?.Content ?? before, cancellationToken).ConfigureAwait(false);
        return outcome!;
    }

    private async Task<CopyOutcome> CopyAsync(DeliverySlot[] group, PgControlFile? cluster, ObjectContent? before, CancellationToken cancellationToken)
    {
        var source = FileCopySource.Open(path);
        await using var closing = source.ConfigureAwait(false);
        RequireSegmentSize(cluster, file, source.Length!.Value);
        var outcome = await archiver.Copier.CopyAsync(
            new CopyRequest
            {
                Source = source,
                Targets = [.. group.Select(s => s.Destination.TargetFor(file, s.SecureAsync))],
                Validator = archiver.ValidatorFor(cluster, file, path),
                BeforePublish = (content, token) => RequireSame(before, content) is { } changed
                    ? Task.FromException(changed)
                    : CompareExistingAsync(content, token),
                OnRead = progress is not null ? read => progress.Report(new WalProgress(file, read, source.Length.Value)) : null,
            },
            cancellationToken).ConfigureAwait(false);
        foreach (var (slot, target) in group.Zip(outcome.Targets))
            await SettleAsync(slot, target, outcome.Content, cancellationToken).ConfigureAwait(false);
        archiver.WarnOfVersion(cluster, file, outcome.Summary);
        archiver.Chain.Add(file, outcome.Summary?.Next);
        return outcome;
    }

    private static void RequireSegmentSize(PgControlFile? cluster, WalFileName file, long bytes)
    {
        if (cluster is not null && file.Kind == WalFileKind.Segment && bytes != cluster.SegmentSize)
            throw new WalValidationException(
                WalValidationProblem.WrongSize, $"the file has '{bytes}' bytes, a segment of this cluster has '{cluster.SegmentSize}'", file.ToString(), bytes);
    }

    // Two groups of destinations are two reads: all of them must get one and the same content.
    private WalInputException? RequireSame(ObjectContent? before, ObjectContent content) =>
        before is { } first && (first.Xxh128, first.RawBytes) != (content.Xxh128, content.RawBytes)
            ? WalInputException.Changed(path, $"{first.RawBytes} bytes with XXH128 {first.Xxh128}", $"{content.RawBytes} bytes with XXH128 {content.Xxh128}")
            : null;

    // Before anything is published anywhere: one destination with other content stops them all.
    private Task CompareExistingAsync(ObjectContent content, CancellationToken cancellationToken) =>
        Task.WhenAll(Open.Where(static s => s.Existing is not null).ToArray().Select(s => CompareAsync(s, content, cancellationToken)));

    private async Task CompareAsync(DeliverySlot slot, ObjectContent content, CancellationToken cancellationToken)
    {
        try
        {
            var existing = slot.Existing!.Value;
            await WithinTimeAsync(
                slot,
                async token =>
                {
                    await StoredCopies.RequireEqualAsync(slot.Destination, existing, file, path, content, token).ConfigureAwait(false);
                    // Whoever published it may have been killed before its name was on disk.
                    await slot.Destination.Store!.EnsureDurableAsync(existing.Key, token).ConfigureAwait(false);
                    await slot.SecureAsync(token).ConfigureAwait(false);
                    return true;
                },
                cancellationToken).ConfigureAwait(false);
            slot.Close(WalDeliveryStatus.AlreadyPresent);
            if (archiver.IsLookingAhead)
                WalLog.WasArchived(archiver.Log, file, slot.Destination.Id);
            else
                WalLog.AlreadyPresent(archiver.Log, file, slot.Destination.Id);
        }
        catch (Exception error) when (error is not (OperationCanceledException or WalConflictException))
        {
            slot.Fail(error, file);
        }
    }

    private async Task SettleAsync(DeliverySlot slot, TargetOutcome target, ObjectContent content, CancellationToken cancellationToken)
    {
        if (target.Error is { } error)
        {
            slot.Fail(error, file, target.Elapsed);
            return;
        }

        if (target.Commit == ObjectCommitResult.Created)
        {
            slot.Stored(target);
            return;
        }

        // Somebody else published the same name meanwhile: fine if it was the same file.
        slot.Existing = (target.Target.Key, target.Target.Codec);
        try
        {
            await CompareAsync(slot, content, cancellationToken).ConfigureAwait(false);
        }
        catch (WalConflictException conflict)
        {
            slot.Fail(conflict, file, target.Elapsed);
        }
    }

    private async Task<bool> ReopenAsync(CancellationToken cancellationToken)
    {
        var again = _slots.Where(static s => s.TryReopen()).ToArray();
        if (again.Length > 0)
            await Task.Delay(again.Max(static s => s.Destination.RetryDelay), archiver.Time, cancellationToken).ConfigureAwait(false);
        return again.Length > 0;
    }

    private async Task<WalArchiveResult> FinishAsync(CopyOutcome outcome, PgControlFile? cluster, CancellationToken cancellationToken)
    {
        var result = new WalArchiveResult(
            file,
            outcome.Content.RawBytes,
            outcome.Content.Xxh128,
            archiver.Time.GetElapsedTime(_started),
            outcome.Summary,
            [.. _slots.Select(static s => s.ToResult())]);
        // After every required copy is durable, never before: a crash in between costs one comparison, the other order a copy.
        try
        {
            if (result.IsArchived)
            {
                // Not before all of it succeeded: a first call that failed half must not keep the other half from beginning its archive.
                // Ahead of the others, which only save work: their trouble must not cost this knowledge.
                if (cluster is not null)
                    await new ArchivedBefore(archiver.Options, cluster).RememberAsync(file, archiver.Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
                _state.Delete();
                archiver.Chain.Save(outcome.Summary?.Next);
            }
            else if (_slots.Any(static s => s.Holds))
                await _state.SaveAsync(outcome.Content, _slots.Where(static s => s.Holds), archiver.Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
        }
        catch (Exception refused) when (refused is IOException or UnauthorizedAccessException)
        {
            // The state only saves work: without it the next call compares what is there.
            WalLog.StateNotKept(archiver.Log, file, refused.Message);
        }

        if (outcome.Summary?.UncheckedUntil is { } end)
            WalLog.NotWhollyChecked(archiver.Log, file, end.ToString());
        return result;
    }
}
