namespace OmniPg.Extractor;

/// <summary>Where the client programs are looked for.</summary>
public sealed class PgToolOptions
{
    /// <summary>Directory of the programs. Null, the default: <c>PATH</c>, then the usual directories of the operating system.</summary>
    public string? BinDirectory { get; set; }

    /// <summary>Path of pg_dump. Null, the default: found as <see cref="BinDirectory"/> says. Nothing else is tried when set.</summary>
    public string? PgDumpPath { get; set; }

    /// <summary>Path of pg_dumpall. Null, the default: found as <see cref="BinDirectory"/> says. Nothing else is tried when set.</summary>
    public string? PgDumpAllPath { get; set; }
}
