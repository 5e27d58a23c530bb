namespace OmniPg.Wal;

/// <summary>One call of <c>archive_command</c>, and the order of durability over all destinations:</summary>
/// <remarks>
/// <list type="number">
/// <item>each is looked at: there, this cluster's, and whether it holds the file (<see cref="Delivery.LookAsync"/>). Nothing is written yet;</item>
/// <item>the file is read, hashed, validated, and written where it is missing, without its name (<see cref="WalCopier"/>);</item>
/// <item>copies that are there are compared with what was read, before anything is published: one with other content stops all;</item>
/// <item>each place is still the one that was looked at, gets its marker, then the copy is flushed and named (<see cref="Delivery.ToTarget"/>);</item>
/// <item>with every required copy durable, what the next calls need is remembered, and the call returns. Not before: a crash in between costs one
/// comparison, the other order a copy.</item>
/// </list>
/// </remarks>
internal sealed class ArchiveRun(WalArchiver archiver, WalFileName file, string path, IProgress<WalProgress>? progress)
{
    private readonly long _started = archiver.Time.GetTimestamp();
    private readonly Delivery[] _deliveries = [.. archiver.Destinations.Select(d => new Delivery(d, file, path, archiver.IsLookingAhead, archiver.Time, archiver.Log))];
    private readonly DeliveryState _state = new(archiver.Options.StateDirectory, file);
    private IReadOnlyCollection<string> _done = [];

    public async Task<WalArchiveResult> ExecuteAsync(CancellationToken cancellationToken)
    {
        foreach (var delivery in _deliveries)
            delivery.SkipIfAbsent();
        var cluster = archiver.ReadControlFile();
        var binding = cluster is not null ? new ClusterBinding(cluster, archiver.Options, archiver.Time) : null;
        // Without a state nothing was left half done, and the second read that comparing with it needs is saved.
        if (_state.Exists)
            await ReadStateAsync(cancellationToken).ConfigureAwait(false);
        await LookAsync(binding, cancellationToken).ConfigureAwait(false);

        var outcome = await CopyAsync(cluster, null, cancellationToken).ConfigureAwait(false);
        while (await ReopenAsync(cancellationToken).ConfigureAwait(false))
        {
            await LookAsync(binding, cancellationToken).ConfigureAwait(false);
            outcome = await CopyAsync(cluster, outcome.Content, cancellationToken).ConfigureAwait(false);
        }

        return await FinishAsync(outcome, binding, cancellationToken).ConfigureAwait(false);
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
            && (state.Xxh128 is { } hash ? hash == read.Xxh128 : state.Sha256 is { } older && older == await ArchiveDestination.Sha256Async(path, cancellationToken).ConfigureAwait(false));
        _done = isThis && state.Done is { } done ? done.Keys : [];
    }

    private Task LookAsync(ClusterBinding? binding, CancellationToken cancellationToken) =>
        Task.WhenAll(_deliveries.Where(static d => d.IsOpen).ToArray().Select(d => d.LookAsync(binding, _done, cancellationToken)));

    private async Task<CopyOutcome> CopyAsync(PgControlFile? cluster, ObjectContent? before, CancellationToken cancellationToken)
    {
        Delivery[] pending = [.. _deliveries.Where(static d => d.IsMissing)];
        if (archiver.Options.MaxParallelism is not { } limit || pending.Length <= limit)
            return await CopyAsync(pending, cluster, before, cancellationToken).ConfigureAwait(false);
        CopyOutcome? outcome = null;
        // By codec, so that destinations of one codec fall into one group and share its pass.
        foreach (var group in pending.OrderBy(static d => d.Destination.Codec.Name, StringComparer.Ordinal).Chunk(limit))
            outcome = await CopyAsync(group, cluster, outcome?.Content ?? before, cancellationToken).ConfigureAwait(false);
        return outcome!;
    }

    private async Task<CopyOutcome> CopyAsync(Delivery[] group, PgControlFile? cluster, ObjectContent? before, CancellationToken cancellationToken)
    {
        var source = FileCopySource.Open(path);
        await using var closing = source.ConfigureAwait(false);
        RequireSegmentSize(cluster, file, source.Length!.Value);
        var outcome = await archiver.Copier.CopyAsync(
            new CopyRequest
            {
                Source = RateLimit.Over(source, archiver.Limit),
                Targets = [.. group.Select(static d => d.ToTarget())],
                Validator = archiver.ValidatorFor(cluster, file, path),
                BeforePublish = (content, token) => RequireSame(before, content) is { } changed
                    ? Task.FromException(changed)
                    : CompareExistingAsync(content, token),
                OnRead = progress is not null ? read => progress.Report(new WalProgress(file, read, source.Length.Value)) : null,
            },
            cancellationToken).ConfigureAwait(false);
        foreach (var (delivery, target) in group.Zip(outcome.Targets))
            await delivery.SettleAsync(target, outcome.Content, cancellationToken).ConfigureAwait(false);
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

    private Task CompareExistingAsync(ObjectContent content, CancellationToken cancellationToken) =>
        Task.WhenAll(_deliveries.Where(static d => d.IsThere).ToArray().Select(d => d.CompareAsync(content, cancellationToken)));

    private async Task<bool> ReopenAsync(CancellationToken cancellationToken)
    {
        var again = _deliveries.Where(static d => d.TryReopen()).ToArray();
        if (again.Length > 0)
            await Task.Delay(again.Max(static d => d.Destination.RetryDelay), archiver.Time, cancellationToken).ConfigureAwait(false);
        return again.Length > 0;
    }

    private async Task<WalArchiveResult> FinishAsync(CopyOutcome outcome, ClusterBinding? binding, CancellationToken cancellationToken)
    {
        var result = new WalArchiveResult(
            file,
            outcome.Content.RawBytes,
            outcome.Content.Xxh128,
            archiver.Time.GetElapsedTime(_started),
            outcome.Summary,
            [.. _deliveries.Select(static d => d.ToResult())]);
        try
        {
            if (result.IsArchived)
            {
                // Not before all of it succeeded: a first call that failed half must not keep the other half from beginning its archive.
                // Ahead of the others, which only save work: their trouble must not cost this knowledge.
                if (binding is not null)
                    await binding.RememberAsync(file, cancellationToken).ConfigureAwait(false);
                _state.Delete();
                archiver.Chain.Save(outcome.Summary?.Next);
            }
            else if (_deliveries.Any(static d => d.Holds))
                await _state.SaveAsync(outcome.Content, _deliveries.Where(static d => d.Holds), archiver.Time.GetUtcNow(), cancellationToken).ConfigureAwait(false);
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
