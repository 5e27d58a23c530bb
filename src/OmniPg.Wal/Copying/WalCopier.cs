using System.Collections.Concurrent;

namespace OmniPg.Wal;

/// <summary>
/// The pump: every byte that this package moves goes through it. One read feeds inspection, encoders and stores; when all bytes are there and found
/// good, the copies are published together, each durable before it counts.
/// </summary>
/// <param name="time">Clock of time-outs.</param>
/// <param name="mostAtOnce">Files up to this size with one codec go through memory as a whole (<see cref="WholeCopy"/>), all others in stages (<see cref="CopyPipeline"/>).</param>
/// <remarks>Thread safe. Keeps the buffers of finished copies for the next ones.</remarks>
internal sealed class WalCopier(TimeProvider time, int mostAtOnce = WalCopier.MostAtOnce)
{
    /// <summary>Four segments of the usual size: what a worker then holds is still little, and larger segments are rare.</summary>
    public const int MostAtOnce = 64 << 20;

    private readonly ConcurrentBag<BufferPools> _idle = [];
    private readonly ConcurrentBag<WholeBuffers> _idleWhole = [];

    /// <summary>Copies one file to all targets. Targets fail alone and say so in the outcome.</summary>
    /// <exception cref="WalException">Source or content are wrong, or <see cref="CopyRequest.BeforePublish"/> objected: nothing was published.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; what was not published yet left no trace.</exception>
    public Task<CopyOutcome> CopyAsync(CopyRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        // On the pool, whoever calls: from the first byte to the last encoded one a thread works without a pause.
        return WholeCopy.Fits(request, mostAtOnce)
            ? Task.Run(() => CopyWholeAsync(request, cancellationToken), CancellationToken.None)
            : CopyInStagesAsync(request, cancellationToken);
    }

    private async Task<CopyOutcome> CopyInStagesAsync(CopyRequest request, CancellationToken cancellationToken)
    {
        var pools = _idle.TryTake(out var idle) ? idle : new BufferPools();
        var pipeline = new CopyPipeline(request, pools, time, cancellationToken);
        try
        {
            using var wake = cancellationToken.Register(pools.Stop);
            using var watch = WatchOptional(pipeline.Targets);
            var inspection = await pipeline.RunAsync(cancellationToken).ConfigureAwait(false);
            var verdict = await JudgeAsync(request, inspection, cancellationToken).ConfigureAwait(false);
            return await PublishAsync(verdict, pipeline.Targets, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await Task.WhenAll(pipeline.Targets.Select(t => t.DisposeAsync().AsTask())).ConfigureAwait(false);
            if (pools.IsReusable && pipeline.HasEncoded)
                _idle.Add(pools);
        }
    }

    private async Task<CopyOutcome> CopyWholeAsync(CopyRequest request, CancellationToken cancellationToken)
    {
        var buffers = TakeWhole((int)request.Source.Length!.Value, WholeCopy.MostStored(request));
        TargetWriter[] targets = [];
        try
        {
            using var copy = new WholeCopy(request, buffers);
            var inspection = await copy.ReadAsync(cancellationToken).ConfigureAwait(false);
            var verdict = await JudgeAsync(request, inspection, cancellationToken).ConfigureAwait(false);
            targets = [.. request.Targets.Select(t => new TargetWriter(t, 1, time, cancellationToken))];
            using var watch = WatchOptional(targets);
            await copy.StoreAsync(targets, cancellationToken).ConfigureAwait(false);
            return await PublishAsync(verdict, targets, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await Task.WhenAll(targets.Select(t => t.DisposeAsync().AsTask())).ConfigureAwait(false);
            if (buffers.AreHome)
                _idleWhole.Add(buffers);
        }
    }

    private WholeBuffers TakeWhole(int contentBytes, int storedBytes)
    {
        // Files of one cluster have one size, but for history files: buffers that are too small for a segment are not kept.
        while (_idleWhole.TryTake(out var idle))
            if (idle.Holds(contentBytes, storedBytes))
                return idle;
        return new WholeBuffers(contentBytes, storedBytes);
    }

    // The verdict first, for all targets at once; then every target on its own.
    private static async Task<(ObjectContent Content, WalValidationResult? Summary, string Sha256)> JudgeAsync(CopyRequest request, Inspection inspection, CancellationToken cancellationToken)
    {
        request.Source.VerifyUnchanged(inspection.RawBytes);
        var summary = inspection.Validator?.Complete();
        var content = new ObjectContent(inspection.Xxh128, inspection.RawBytes, 0, "");
        if (request.BeforePublish is { } hasLastWord)
            await hasLastWord(content with { StoredSha256 = inspection.Sha256 }, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        return (content, summary, inspection.Sha256);
    }

    private static async Task<CopyOutcome> PublishAsync(
        (ObjectContent Content, WalValidationResult? Summary, string Sha256) verdict, IReadOnlyList<TargetWriter> targets, CancellationToken cancellationToken)
    {
        await Task.WhenAll(targets.Select(t => t.CommitAsync(verdict.Content))).ConfigureAwait(false);
        if (targets.Any(static t => t.Error is OperationCanceledException))
            cancellationToken.ThrowIfCancellationRequested();
        return new CopyOutcome(verdict.Content, verdict.Summary, [.. targets.Select(t => t.Outcome)], verdict.Sha256);
    }

    private ITimer? WatchOptional(IReadOnlyList<TargetWriter> targets)
    {
        var optional = targets.Where(t => t.Target.Grace is not null).ToArray();
        if (optional.Length == 0)
            return null;
        var period = optional.Min(t => t.Target.Grace!.Value);
        return time.CreateTimer(
            static state =>
            {
                foreach (var target in (TargetWriter[])state!)
                    target.CheckProgress();
            },
            optional,
            period,
            period);
    }
}

/// <summary>What a whole copy brought.</summary>
internal sealed record CopyOutcome(ObjectContent Content, WalValidationResult? Summary, IReadOnlyList<TargetOutcome> Targets, string Sha256);
