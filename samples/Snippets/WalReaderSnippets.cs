using OmniPg.Wal;

namespace Snippets;

/// <summary>The code blocks of docs/wal-reader.md.</summary>
internal static class WalReaderSnippets
{
    public static async Task DumpAsync(CancellationToken cancellationToken)
    {
        #region wal-reader-dump
        await using var segment = File.OpenRead("/mnt/archive/000000010000000A000000FF");
        await foreach (var record in WalSegmentReader.ReadAsync(segment, cancellationToken: cancellationToken))
            Console.WriteLine(WalRecordFormatter.Format(record));
        #endregion
    }

    public static async Task LastCommitAsync(CancellationToken cancellationToken)
    {
        #region wal-reader-chain
        var cluster = await PgControlFile.ReadAsync("/var/lib/postgresql/15/main", cancellationToken: cancellationToken);
        var segments = Directory.GetFiles("/mnt/archive", "00000001????????????????").Order(StringComparer.Ordinal).Select(WalSegmentSource.FromFile);
        var options = new WalReadOptions { Expectations = cluster.ToExpectations() };

        await foreach (var record in WalSegmentReader.ReadChainAsync(segments, options, cancellationToken))
        {
            if (record.Detail is WalRestorePoint point)
                Console.WriteLine($"{record.End} restore point '{point.Name}' of {point.Time:u}");
            else if (record.Detail is WalTransactionEnd { IsCommit: true } commit)
                Console.WriteLine($"{record.End} commit of {commit.TransactionId} at {commit.Time:u}");
        }
        #endregion
    }

    public static WalValidationResult Validate(Stream source, WalFileName name, WalExpectations expectations, byte[] buffer)
    {
        #region wal-reader-push
        var validator = new WalSegmentValidator(name, WalValidation.Full, expectations);
        int count;
        while ((count = source.Read(buffer)) > 0)
            validator.Append(buffer.AsSpan(0, count));   // any buffer sizes; throws WalValidationException at the first fault
        WalValidationResult summary = validator.Complete();

        var next = expectations with { Previous = summary.Next };   // checks the edge to the next segment too
        #endregion
        _ = next;
        return summary;
    }
}
