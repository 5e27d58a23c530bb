namespace OmniPg.Extractor;

/// <summary>No usable pg_dump or pg_dumpall was found. Code <c>extractor.tool.not-found</c>.</summary>
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

    /// <summary>Name of the program.</summary>
    public string Tool { get; }

    /// <summary>Every place looked at, with what was found there.</summary>
    public IReadOnlyList<string> Tried { get; }
}
