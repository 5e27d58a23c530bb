namespace OmniPg.Extractor;

/// <summary>The server is newer than every pg_dump that was found, and pg_dump refuses such servers. Code <c>extractor.tool.version</c>.</summary>
public sealed class PgToolVersionException : ExtractorException
{
    internal PgToolVersionException(string path, PgServerVersion tool, PgServerVersion server)
        : base(
            "extractor.tool.version",
            $"The server has version '{server}', but '{path}' has version '{tool}' and cannot dump newer servers.",
            $"Install the client programs of PostgreSQL {server.Major} or newer.")
    {
        Path = path;
        ToolVersion = tool;
        ServerVersion = server;
    }

    /// <summary>The newest program found.</summary>
    public string Path { get; }

    /// <summary>Its version.</summary>
    public PgServerVersion ToolVersion { get; }

    /// <summary>Version of the server.</summary>
    public PgServerVersion ServerVersion { get; }
}
