using System.Buffers;
using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>Asks the sources in their order for a file and takes the first copy that is valid to its last byte.</summary>
/// <param name="options">The sources.</param>
/// <param name="copier">The pump.</param>
/// <param name="log">Where to log.</param>
/// <param name="isAhead">Whether it fetches for a spool, several files at the same time.</param>
internal sealed class CopyFetcher(WalRestoreOptions options, WalCopier copier, ILogger log, bool isAhead = false)
{
    // Small enough for the processor's cache.
    private const int PieceBytes = 256 * 1024;

    private bool _saidUnknownVersion;

    /// <returns>The copy; null when every source proved to be an archive and none has the file.</returns>
    /// <exception cref="WalSourceException">No valid copy, and at least one source did not answer.</exception>
    /// <exception cref="WalCorruptCopyException">No valid copy, but invalid ones.</exception>
    public async Task<FetchedCopy?> FetchAsync(WalFileName name, string path, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var failures = new List<WalSourceFailure>();
        var copy = await TryAsync(name, path, expectations, failures, cancellationToken).ConfigureAwait(false);
        if (copy is null && failures.Count == 0 && options.UsePartial && !isAhead && name.Kind == WalFileKind.Segment)
            copy = await TryPartialAsync(name, path, expectations, failures, cancellationToken).ConfigureAwait(false);
        if (copy is not null || failures.Count == 0)
            return copy;
        throw failures.TrueForAll(f => f.IsCorrupt)
            ? new WalCorruptCopyException(name.ToString(), [.. failures])
            : new WalSourceException(name.ToString(), [.. failures]);
    }

    private async Task<FetchedCopy?> TryAsync(
        WalFileName name, string path, WalExpectations expectations, List<WalSourceFailure> failures, CancellationToken cancellationToken)
    {
        foreach (var source in options.Sources)
        {
            if (await TrySourceAsync(source, name, path, expectations, failures, cancellationToken).ConfigureAwait(false) is { } copy)
                return copy;
        }

        return null;
    }

    private async Task<FetchedCopy?> TryPartialAsync(
        WalFileName name, string path, WalExpectations expectations, List<WalSourceFailure> failures, CancellationToken cancellationToken)
    {
        var partial = WalFileName.Parse(name + ".partial");
        var copy = await TryAsync(partial, path, expectations, failures, cancellationToken).ConfigureAwait(false);
        if (copy is null)
            return null;
        copy.PadTo(copy.Summary.SegmentSize);
        WalLog.UsedPartial(log, name, copy.Key);
        return copy;
    }

    private async Task<FetchedCopy?> TrySourceAsync(
        WalRestoreSource source, WalFileName name, string path, WalExpectations expectations, List<WalSourceFailure> failures, CancellationToken cancellationToken)
    {
        try
        {
            var presence = await ArchivePresence.BeginAsync(source.Store, cancellationToken).ConfigureAwait(false);
            foreach (var key in ArchiveKeys.For(name, source.Preferred))
            {
                try
                {
                    if (await TryKeyAsync(source, key, name, path, expectations, cancellationToken).ConfigureAwait(false) is { } copy)
                        return copy;
                }
                catch (Exception e) when (e is WalValidationException or CorruptCompressedDataException)
                {
                    WalLog.CorruptCopy(log, key, source.Name, e.Message);
                    // The same source may hold a good copy under another codec's name.
                    failures.Add(new WalSourceFailure(source.Name, key, IsCorrupt: true, e));
                }
            }

            await EncryptedNames.RequireNoneAsync(source.Store, name, cancellationToken).ConfigureAwait(false);
            await presence.RequireAsync(expectations.SystemIdentifier, cancellationToken).ConfigureAwait(false);
        }
        catch (Exception e) when (e is not (OperationCanceledException or WalRestoreTargetException))
        {
            WalLog.SourceFailed(log, name, source.Name, e.Message);
            // It is not asked for the other names: each would run into the same trouble, one time-out after the other.
            failures.Add(new WalSourceFailure(source.Name, null, IsCorrupt: false, e));
        }

        return null;
    }

    private async Task<FetchedCopy?> TryKeyAsync(
        WalRestoreSource source, string key, WalFileName name, string path, WalExpectations expectations, CancellationToken cancellationToken)
    {
        var content = await WalContent.OpenReadAsync(source.Store, key, cancellationToken).ConfigureAwait(false);
        if (content is null)
            return null;
        await using (content.ConfigureAwait(false))
        {
            var copy = new FetchedCopy(path, source.Store, key);
            try
            {
                var validator = new WalSegmentValidator(name, options.Validation, expectations);
                var summary = copy.Summary = isAhead
                    ? await CopyAloneAsync(content, source.Store is DirectoryObjectStore, copy, validator, cancellationToken).ConfigureAwait(false)
                    : await CopyAsync(content, copy, name, validator, cancellationToken).ConfigureAwait(false);
                WalLog.Fetched(log, key, source.Name, summary.Bytes);
                if (summary.IsUnknownVersion && !Interlocked.Exchange(ref _saidUnknownVersion, true))
                    WalLog.RestoredUnknownVersion(log, key);
                return copy;
            }
            catch
            {
                await copy.DisposeAsync().ConfigureAwait(false);
                throw;
            }
        }
    }

    /// <summary>Piece by piece in one thread: several are fetched at the same time, and stages would only wait for each other's processors.</summary>
    private static async Task<WalValidationResult> CopyAloneAsync(
        Stream content, bool isLocal, FetchedCopy copy, WalSegmentValidator validator, CancellationToken cancellationToken)
    {
        var piece = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            while (true)
            {
                cancellationToken.ThrowIfCancellationRequested();
                // Of a file the asynchronous way is the same call on another thread, which has to wake up for each piece.
                var count = isLocal ? content.Read(piece.AsSpan(0, PieceBytes)) : await content.ReadAsync(piece.AsMemory(0, PieceBytes), cancellationToken).ConfigureAwait(false);
                if (count == 0)
                    break;
                validator.Append(piece.AsSpan(0, count));
                copy.Write(piece.AsSpan(0, count));
            }

            return validator.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(piece);
        }
    }

    /// <summary>Through the pump: read and decode, validate, write at the same time.</summary>
    private async Task<WalValidationResult> CopyAsync(
        Stream content, FetchedCopy copy, WalFileName name, WalSegmentValidator validator, CancellationToken cancellationToken)
    {
        var source = new StreamCopySource(content);
        await using (source.ConfigureAwait(false))
        {
            var request = new CopyRequest
            {
                Source = source,
                Targets = [new CopyTarget { Sink = new FetchedCopy.Sink(copy), Key = name.ToString(), Codec = Codec.None, Id = copy.Path }],
                Validator = validator,
                NeedsHashes = false,
            };
            var outcome = await copier.CopyAsync(request, cancellationToken).ConfigureAwait(false);
            if (outcome.Targets[0].Error is { } error)
                ExceptionDispatchInfo.Throw(error);
            return outcome.Summary!;
        }
    }
}
