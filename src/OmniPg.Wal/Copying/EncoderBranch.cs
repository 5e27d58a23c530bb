using System.Security.Cryptography;

namespace OmniPg.Wal;

/// <summary>Encodes the content once for all targets that share codec and level. A codec that fails takes down only these.</summary>
internal sealed class EncoderBranch(Codec codec, int? level, TargetWriter[] targets, int queueCapacity, BufferPool pool, bool needsSha256)
{
    private readonly FanOut _fanOut = new(targets.Select(static t => t.Queue));

    public BufferQueue Queue { get; } = new(queueCapacity);

    /// <summary>Runs until the queue is completed, then completes the queues of the targets.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        try
        {
            await EncodeAsync(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception error)
        {
            foreach (var target in targets)
                target.Abandon(error);
        }
        finally
        {
            Queue.Close();
            _fanOut.Complete();
        }
    }

    private async Task EncodeAsync(CancellationToken cancellationToken)
    {
        using var sha256 = needsSha256 ? IncrementalHash.CreateHash(HashAlgorithmName.SHA256) : null;
        var output = new BranchOutput(pool, _fanOut, sha256);
        var encoder = codec.Compress(output, level, leaveOpen: true);
        await using (encoder.ConfigureAwait(false))
        {
            while (await Queue.DequeueAsync().ConfigureAwait(false) is { } buffer)
            {
                try
                {
                    await encoder.WriteAsync(buffer.Filled, cancellationToken).ConfigureAwait(false);
                }
                finally
                {
                    buffer.Release();
                }

                if (!Array.Exists(targets, static t => t.IsLive))
                    return;
            }
        }

        output.PassOn();
        var stored = HashText.Finish(sha256);
        foreach (var target in targets)
            target.StoredSha256 = stored;
    }
}
