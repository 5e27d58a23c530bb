using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>Settings of a <see cref="MimeoClient"/>.</summary>
public sealed class MimeoOptions : ICheckedOptions
{
    /// <summary>Schema of the package's own tables at the destination. Default <c>omnipg_mimeo</c>.</summary>
    public string Schema { get; set; } = "omnipg_mimeo";

    /// <summary>Data sources to use in place of what is stored for the source of that name; none is disposed with the client. Default empty.</summary>
    /// <remarks>Give their connection strings <c>Command Timeout=0;Read Buffer Size=65536</c>: a query may take long before its first row, and each read of the socket allocates.</remarks>
    public IReadOnlyDictionary<string, NpgsqlDataSource> Sources { get; set; } = new Dictionary<string, NpgsqlDataSource>(StringComparer.Ordinal);

    /// <summary>Longest wait for a lock of a table, on either side. Default 10 s; positive.</summary>
    public TimeSpan LockTimeout { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Limit of a statement that reads or writes the configuration. Default 60 s; positive. Copies and index builds have none.</summary>
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>Tries of the short transaction that shows a new snapshot, each with <see cref="LockTimeout"/>. Default 30; 1 to 1,000.</summary>
    public int SwapTries { get; set; } = 30;

    /// <summary>Buffer of a copy. Default 256 KiB; 64 KiB to 16 MiB.</summary>
    public int PipeBufferBytes { get; set; } = 256 * 1024;

    /// <summary>Size at the source, TOAST included, above which a new table is filled by several streams, and its indexes are built by several. Default 1 GiB; positive.</summary>
    public long SplitLargerThanBytes { get; set; } = 1L << 30;

    /// <summary>Most streams of one table, each with a connection to both sides. Default 4; 1 to 64, where 1 is one stream for every table.</summary>
    public int MaxParallelChunks { get; set; } = 4;

    /// <summary>Most bytes that are copied per second out of one source, by all that this client does there; what a logical table reads of the log is not counted. Default null: no limit; at least 1,024.</summary>
    public long? MaxBytesPerSecond { get; set; }

    /// <summary>Key of the destination's data source in the service container. Default <see langword="null"/>: the unkeyed registration.</summary>
    public string? DataSourceKey { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        var options = this;
        check.NotEmpty(options.Schema);
        check.That(options.Sources is not null, "Sources must not be null.");
        check.Identifier(options.Schema, "schema");
        check.Positive(options.LockTimeout);
        check.Positive(options.CommandTimeout);
        check.Range<int>(options.SwapTries, 1, 1000);
        check.Range<long>(options.SplitLargerThanBytes, 1, long.MaxValue);
        check.Range<int>(options.MaxParallelChunks, 1, 64);
        check.AtLeast(options.MaxBytesPerSecond, 1024);
        check.Range<int>(options.PipeBufferBytes, 64 * 1024, 16 * 1024 * 1024);
    }
}
