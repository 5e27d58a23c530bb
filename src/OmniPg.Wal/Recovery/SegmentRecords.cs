using System.Runtime.CompilerServices;

namespace OmniPg.Wal;

/// <summary>The records of an archived segment that may lie there in several copies.</summary>
internal static class SegmentRecords
{
    /// <summary>Reads the first copy that is valid from its begin to its end.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="copies">The copies.</param>
    /// <param name="previous">State of the segment before, so that a record that began in it is found; null when it is not known.</param>
    /// <param name="ended">Told the summary; not when no copy is valid.</param>
    /// <param name="includeData">Whether records carry their bytes.</param>
    /// <param name="cancellationToken">Cancels.</param>
    /// <returns>The records; those of a copy that turns out to be damaged end where it does.</returns>
    public static async IAsyncEnumerable<WalRecord> ReadAsync(
        IObjectStore archive, List<WalArchivedFile> copies, WalChainState? previous, Action<WalValidationResult>? ended, bool includeData, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var options = new WalReadOptions
        {
            IncludeData = includeData,
            Expectations = new WalExpectations { Previous = previous, AllowUnknownVersion = true },
            OnSegmentEnd = ended,
        };
        foreach (var copy in copies)
        {
            if (await WindowFinder.SummaryAsync(archive, copy, cancellationToken).ConfigureAwait(false) is null)
                continue;
            var content = await WalContent.OpenReadAsync(archive, copy.Key, cancellationToken).ConfigureAwait(false);
            if (content is null)
                continue;
            await using var closing = content.ConfigureAwait(false);
            options.Name = copy.Name;
            var records = WalSegmentReader.ReadAsync(content, options, cancellationToken).GetAsyncEnumerator(cancellationToken);
            await using var ending = records.ConfigureAwait(false);
            while (await NextAsync(records).ConfigureAwait(false))
                yield return records.Current;
            yield break;
        }
    }

    // A segment that is valid alone may still not go on from the one before; then recovery ends between them.
    private static async ValueTask<bool> NextAsync(IAsyncEnumerator<WalRecord> records)
    {
        try
        {
            return await records.MoveNextAsync().ConfigureAwait(false);
        }
        catch (Exception damage) when (damage is WalValidationException or CorruptCompressedDataException)
        {
            return false;
        }
    }
}
