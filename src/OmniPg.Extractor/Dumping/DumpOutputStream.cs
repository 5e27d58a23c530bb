using System.Runtime.CompilerServices;
using OmniPg.IO;

namespace OmniPg.Extractor.Dumping;

/// <summary>Output of pg_dump that ends only when pg_dump ended well: a reader never takes a torn archive for a damaged one.</summary>
/// <remarks>Bytes go to the copy, if there is one, before they are handed on. Read it asynchronously: only then can it wait for the end.</remarks>
internal sealed class DumpOutputStream(Stream output, Stream? copy, Func<CancellationToken, ValueTask> onEnd) : ReadOnlyStream
{
    public override int Read(Span<byte> buffer)
    {
        var read = output.Read(buffer);
        copy?.Write(buffer[..read]);
        return read;
    }

    // Pooled here and along the way: how often a read has to wait depends on who is faster, and each wait would allocate.
    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var read = await output.ReadAsync(buffer, cancellationToken).ConfigureAwait(false);
        if (read == 0 && !buffer.IsEmpty)
            await onEnd(cancellationToken).ConfigureAwait(false);
        else if (copy is not null)
            await copy.WriteAsync(buffer[..read], cancellationToken).ConfigureAwait(false);
        return read;
    }
}
