using Microsoft.Extensions.Logging;

namespace OmniPg.Extractor;

/// <summary>Log messages of the package: reading archives and running pg_dump from 6000 on, trees from 6100 on.</summary>
internal static partial class ExtractorLog
{
    [LoggerMessage(6000, LogLevel.Information, "Started {Program} {Version} on {Source}.")]
    public static partial void DumpStarts(ILogger logger, string program, string version, string source);

    [LoggerMessage(6001, LogLevel.Debug, "Read a table of contents of {Entries} entries of database {Database}.")]
    public static partial void TableOfContentsRead(ILogger logger, int entries, string database);

    [LoggerMessage(6002, LogLevel.Warning, "{Program} lost a race with concurrent DDL and is started again: {Reason}")]
    public static partial void DumpStartsAgain(ILogger logger, string program, string reason);

    [LoggerMessage(6003, LogLevel.Warning, "The pooler of {Source} refused start-up options; the dump's session follows the settings of role and database.")]
    public static partial void SessionNotPinned(ILogger logger, string source);

    [LoggerMessage(6100, LogLevel.Information, "Wrote the schema tree {Directory}: {Files} files, {Changed} of them changed.")]
    public static partial void TreeWritten(ILogger logger, string directory, int files, int changed);
}
