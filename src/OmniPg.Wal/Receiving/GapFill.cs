using System.Buffers;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Segments that a server has removed before they were received, from the archives that its own archiver fills beside the receiver.</summary>
/// <param name="destinations">Those of the receiver.</param>
/// <param name="log">Where to log.</param>
internal sealed class GapFill(IReadOnlyList<ArchiveDestination> destinations, ILogger log)
{
    private const int BufferBytes = 256 * 1024;

    /// <summary>Writes a segment from the first valid copy.</summary>
    /// <param name="name">The segment.</param>
    /// <param name="expectations">What its content must be, with the state at the end of the segment before.</param>
    /// <param name="open">Opens the segment's file in the directory, to be validated so far; what lies in it from before is compared.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>Whether the segment is complete now, and how it ended; not when each destination proves that it has no valid copy.</returns>
    /// <exception cref="WalArchiveAbsentException">A destination is not mounted.</exception>
    /// <exception cref="WalEncryptionException">A destination has it encrypted, and its key was not given.</exception>
    /// <exception cref="WalConflictException">The copy has other WAL than was received before.</exception>
    /// <exception cref="IOException">A destination cannot say whether it has one.</exception>
    public async Task<(bool IsThere, WalChainState? Next)> TryAsync(WalFileName name, WalExpectations expectations, Func<WalValidation, PartialSegment> open, CancellationToken cancellationToken)
    {
        Exception? unanswered = null;
        foreach (var destination in destinations.Where(static d => d.IsActive))
        {
            if (destination.Store is not { } store)
                continue;
            string? found;
            try
            {
                found = await FindAsync(destination, store, name, expectations, cancellationToken).ConfigureAwait(false);
            }
            catch (Exception trouble) when (!cancellationToken.IsCancellationRequested)
            {
                // Another may have it, and receiving must not wait for this one. If none has, that proves nothing.
                unanswered ??= trouble;
                continue;
            }

            if (found is null)
                continue;
            var content = await WalContent.OpenReadAsync(store, found, cancellationToken).ConfigureAwait(false) ?? throw WalArchiveAbsentException.Nothing(store.Id);
            await using var closing = content.ConfigureAwait(false);
            // Whatever the receiver validates of what its server sends: these bytes are read a second time, and may be others by now.
            using var segment = open(WalValidation.Full);
            var next = await WriteAsync(content, segment, cancellationToken).ConfigureAwait(false);
            ReceiveLog.Filled(log, name, store.Id);
            return (true, next);
        }

        if (unanswered is not null)
            ExceptionDispatchInfo.Throw(unanswered);
        return default;
    }

    /// <returns>The key of a valid copy; null when the destination proves that it has none.</returns>
    private async Task<string?> FindAsync(ArchiveDestination destination, IObjectStore store, WalFileName name, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var presence = await ArchivePresence.BeginAsync(store, cancellationToken).ConfigureAwait(false);
        // All of it before the first byte is written: half of a copy that ends badly would lie where the server's own bytes may still come.
        var found = await ContentCheck.FindValidAsync(store, name, destination.Codec, expectations, (key, why) => WalLog.PassedOver(log, key, why.Message), cancellationToken).ConfigureAwait(false);
        // What takes part only while it exists is no archive, and never has to hold anything.
        if (found is null && destination.IsBound)
            await presence.RequireAsync(expectations.SystemIdentifier, cancellationToken).ConfigureAwait(false);
        return found;
    }

    private static async Task<WalChainState?> WriteAsync(Stream content, PartialSegment segment, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
        try
        {
            for (int count; (count = await content.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0;)
                segment.Append(buffer.AsSpan(0, count));
            return segment.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
