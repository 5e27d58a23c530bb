using System.Collections.Concurrent;

namespace OmniPg.Wal;

/// <summary>
/// The pump: every byte that this package moves goes through it. One read feeds inspection, encoders and stores; when all bytes are there and found
/// good, the copies are published together, each durable before it counts.
/// </summary>
/// <remarks>Thread safe. Keeps the buffers of finished copies for the next ones.</remarks>
internal sealed class WalCopier(TimeProvider time)
{
    private readonly ConcurrentBag<BufferPools> _idle = [];

    /// <summary>Copies one file to all targets. Targets fail alone and say so in the outcome.</summary>
    /// <exception cref="WalException">Source or content are wrong, or <see cref="CopyRequest.BeforePublish"/> objected: nothing was published.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; what was not published yet left no trace.</exception>
    public async Task<CopyOutcome> CopyAsync(CopyRequest request, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var pools = _idle.TryTake(out var idle) ? idle : new BufferPools();
        var pipeline = new CopyPipeline(request, pools, time, cancellationToken);
        try
        {
            using var wake = cancellationToken.Register(pools.Stop);
            using var watch = WatchOptional(pipeline.Targets);
            var inspection = await pipeline.RunAsync(cancellationToken).ConfigureAwait(false);
            return await PublishAsync(request, pipeline.Targets, inspection, cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            await Task.WhenAll(pipeline.Targets.Select(t => t.DisposeAsync().AsTask())).ConfigureAwait(false);
            if (pools.IsReusable)
                _idle.Add(pools);
        }
    }

    // The verdict first, for all targets at once; then every target on its own.
    private static async Task<CopyOutcome> PublishAsync(
        CopyRequest request, IReadOnlyList<TargetWriter> targets, Inspection inspection, CancellationToken cancellationToken)
    {
        request.Source.VerifyUnchanged(inspection.RawBytes);
        var summary = inspection.Validator?.Complete();
        var content = new ObjectContent(inspection.Sha256, inspection.RawBytes, 0);
        if (request.BeforePublish is { } hasLastWord)
            await hasLastWord(content, cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        await Task.WhenAll(targets.Select(t => t.CommitAsync(content))).ConfigureAwait(false);
        if (targets.Any(static t => t.Error is OperationCanceledException))
            cancellationToken.ThrowIfCancellationRequested();
        return new CopyOutcome(content, summary, [.. targets.Select(t => t.Outcome)]);
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
internal sealed record CopyOutcome(ObjectContent Content, WalValidationResult? Summary, IReadOnlyList<TargetOutcome> Targets);
