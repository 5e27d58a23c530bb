using Npgsql;

namespace OmniPg.Extractor;

/// <summary>A statement of a tree failed when it was replayed.</summary>
public sealed class ReplayException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="entry">The entry.</param>
    /// <param name="line">Line of the file, from 1.</param>
    /// <param name="cause">What the server said.</param>
    public ReplayException(SchemaEntry entry, int line, PostgresException cause)
        : base("extractor.replay.failed",
            $"'{entry?.Key}' in '{entry?.File}', line {line}, failed: {cause?.SqlState} {cause?.MessageText}", HintFor(cause?.SqlState), cause)
    {
        ArgumentNullException.ThrowIfNull(entry);
        Entry = entry;
        Line = line;
    }

    /// <summary>The entry.</summary>
    public SchemaEntry Entry { get; }

    /// <summary>Line of the file, from 1.</summary>
    public int Line { get; }

    private static string? HintFor(string? sqlState) => sqlState switch
    {
        PostgresErrorCodes.InsufficientPrivilege => "Replay as a superuser, or leave owners and grants out.",
        PostgresErrorCodes.UndefinedFile => "Install the extension's package on the target server.",
        PostgresErrorCodes.FeatureNotSupported => "The target server may be older than the source.",
        _ => null,
    };
}
