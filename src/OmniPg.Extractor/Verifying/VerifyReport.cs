namespace OmniPg.Extractor;

/// <summary>Result of a round trip: a schema was built up in a scratch database and read again.</summary>
public sealed record VerifyReport
{
    /// <summary>What was lost or changed on the way. Empty when the schema is proven.</summary>
    public required IReadOnlyList<ObjectDiff> Differences { get; init; }

    /// <summary>
    /// Objects whose text the server words differently when it reads its own text, and then no more: <c>varchar IN (…)</c> in checks and views
    /// does that. They are the same objects.
    /// </summary>
    public required IReadOnlyList<ObjectDiff> Reworded { get; init; }

    /// <summary>The replay into the scratch database.</summary>
    public required ReplayReport Replay { get; init; }

    /// <summary>Whether nothing was lost or changed.</summary>
    public bool IsProven => Differences.Count == 0;
}
