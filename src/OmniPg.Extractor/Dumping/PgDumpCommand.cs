namespace OmniPg.Extractor;

/// <summary>One run of pg_dump or pg_dumpall, ready to be started.</summary>
public sealed record PgDumpCommand
{
    /// <summary>Path of the program on this machine. A launcher for another machine takes its file name.</summary>
    public required string Program { get; init; }

    /// <summary>Arguments, one element each; hand them on without a shell. They hold no secret.</summary>
    public required IReadOnlyList<string> Arguments { get; init; }

    /// <summary>Variables to set; null removes one. <c>PGPASSWORD</c> may be among them: never log these.</summary>
    public required IReadOnlyDictionary<string, string?> Environment { get; init; }

    /// <summary>Takes each line the program writes to standard error, while it runs.</summary>
    public required Action<string> OnErrorLine { get; init; }

    /// <summary>Program and arguments, without the environment.</summary>
    public override string ToString() => $"{Program} {string.Join(' ', Arguments)}";
}
