namespace OmniPg.Extractor;

/// <summary>What a replay did.</summary>
public sealed record ReplayResult
{
    /// <summary>Entries that were run.</summary>
    public int Entries { get; init; }

    /// <summary>Statements that were run.</summary>
    public int Statements { get; init; }

    /// <summary>Statements left out because they name roles that do not exist, as <c>key: statement</c>.</summary>
    public IReadOnlyList<string> Skipped { get; init; } = [];

    /// <summary>Keys of entries that had to run outside of the transaction, after it.</summary>
    public IReadOnlyList<string> OutsideTransaction { get; init; } = [];

    /// <summary>Roles that were created.</summary>
    public IReadOnlyList<string> CreatedRoles { get; init; } = [];

    /// <summary>Errors of a replay with <see cref="ReplayOptions.ContinueOnError"/>.</summary>
    public IReadOnlyList<ReplayException> Errors { get; init; } = [];

    /// <summary>Warnings of the reading: edited files, files without manifest entry.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];
}
