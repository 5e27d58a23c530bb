using Npgsql;
using OmniPg.Extractor;

namespace OmniPg.Cli;

/// <summary>One side of a comparison: a tree, an archive, or a connection.</summary>
internal static class SchemaSide
{
    public static bool IsTree(string side) => File.Exists(Path.Combine(side, "omnipg.manifest.json"));

    public static bool IsArchiveOrConnection(string side) => File.Exists(side) || File.Exists(Path.Combine(side, "toc.dat"))
        || (!Directory.Exists(side) && (side.Contains('=', StringComparison.Ordinal) || side.Contains("://", StringComparison.Ordinal)));

    /// <summary>The side that is no tree.</summary>
    public static Extraction Extraction(CliSession session, SchemaExtractor extractor, string side)
    {
        if (File.Exists(side) || File.Exists(Path.Combine(side, "toc.dat")))
            return extractor.FromArchive(side);
        if (Directory.Exists(side))
            throw new UsageException($"'{side}' is a directory, but neither a schema tree nor an archive.");
        return side.Contains('=', StringComparison.Ordinal) || side.Contains("://", StringComparison.Ordinal)
            ? FromServer(session, extractor, side)
            : throw new UsageException($"'{side}' is no tree, no archive and no connection.");
    }

    public static Extraction FromServer(CliSession session, SchemaExtractor extractor, string? connection)
    {
        var settings = Settings(session, connection);
        return extractor.From(PgDumpSource.FromConnectionString(settings.ConnectionString), session.Own(NpgsqlDataSource.Create(settings)));
    }

    /// <summary>A data source that can tell its password, so that it reaches other databases of the server.</summary>
    public static NpgsqlDataSource Target(CliSession session, string? connection) => session.Own(NpgsqlDataSource.Create(Settings(session, connection)));

    private static NpgsqlConnectionStringBuilder Settings(CliSession session, string? connection)
    {
        var settings = ConnectionResolver.Resolve(connection ?? session.Get(GlobalOptions.Connection), session.Host.Variable);
        settings.PersistSecurityInfo = true;
        return settings;
    }
}
