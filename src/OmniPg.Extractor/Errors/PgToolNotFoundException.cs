namespace OmniPg.Extractor;

/// <summary>
/// No usable pg_dump or pg_dumpall was found: none at all, code <c>extractor.tool.not-found</c>; or the server is newer than every one that was found, and
/// pg_dump refuses such servers, code <c>extractor.tool.version</c>.
/// </summary>
public sealed class PgToolNotFoundException : ExtractorException
{
    internal PgToolNotFoundException(string tool, IReadOnlyList<string> tried)
        : base(
            "extractor.tool.not-found",
            $"No usable '{tool}' was found. Tried: {(tried.Count == 0 ? "nothing, there is no place to look" : string.Join("; ", tried))}.",
            "Install PostgreSQL's client programs, or name the directory in PgToolOptions.BinDirectory.")
    {
        Tool = tool;
        Tried = tried;
    }

    internal PgToolNotFoundException(string path, PgServerVersion version, PgServerVersion server)
        : base(
            "extractor.tool.version",
            $"The server has version '{server}', but '{path}' has version '{version}' and cannot dump newer servers.",
            $"Install the client programs of PostgreSQL {server.Major} or newer.")
    {
        Tool = Path.GetFileNameWithoutExtension(path);
        Tried = [path];
        ToolVersion = version;
        ServerVersion = server;
    }

    /// <summary>Name of the program.</summary>
    public string Tool { get; }

    /// <summary>Every place looked at, with what was found there; or the newest program that was found, where its version is the reason.</summary>
    public IReadOnlyList<string> Tried { get; }

    /// <summary>Version of the newest program that was found; null for none.</summary>
    public PgServerVersion? ToolVersion { get; }

    /// <summary>Version of the server, where that of the program is the reason; else null.</summary>
    public PgServerVersion? ServerVersion { get; }
}
