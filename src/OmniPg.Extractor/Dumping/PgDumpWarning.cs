namespace OmniPg.Extractor;

/// <summary>A warning that pg_dump wrote while it ran, or that a look at the server gave.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Message">Text, as behind <c>pg_dump: warning:</c>.</param>
/// <param name="Details">Texts behind <c>detail:</c> and <c>hint:</c> that follow it, for example names of tables.</param>
public sealed record PgDumpWarning(PgDumpWarningKind Kind, string Message, IReadOnlyList<string> Details)
{
    /// <summary>Whether objects, or parts of them, are missing in the dump.</summary>
    public bool MeansMissing => Kind is PgDumpWarningKind.SubscriptionsSkipped or PgDumpWarningKind.UserMappingsHidden;

    internal static IReadOnlyList<string> Texts(IEnumerable<PgDumpWarning> warnings) => [.. warnings.Select(static w => string.Join(' ', w.Details.Prepend(w.Message)))];
}

/// <summary>What a warning of pg_dump is about.</summary>
public enum PgDumpWarningKind
{
    /// <summary>Anything else; the message says it.</summary>
    Other,

    /// <summary>Foreign keys that go in a circle: data-only restores may fail.</summary>
    CircularForeignKeys,

    /// <summary>Objects whose dependencies go in a circle that pg_dump could not break.</summary>
    DependencyLoop,

    /// <summary>Subscriptions were left out because the user is no superuser: the dump is incomplete.</summary>
    SubscriptionsSkipped,

    /// <summary>An object's owner does not exist.</summary>
    InvalidOwner,

    /// <summary>Options of user mappings that the user may not see, so that they look as if they had none: the dump is incomplete.</summary>
    UserMappingsHidden,

    /// <summary>pg_dump is an older minor release than the server: it may print what the server's own pg_dump hides.</summary>
    OlderThanServer,

    /// <summary>The connection goes through a pooler that takes no start-up options, so settings of roles and databases can change the text.</summary>
    SessionNotPinned,
}

/// <summary>Collects the warnings among the lines that pg_dump writes to standard error, up to a limit.</summary>
/// <remarks>With LC_ALL=C lines read <c>pg_dump: warning: …</c>, <c>pg_dump: detail: …</c>, <c>pg_dump: hint: …</c>.</remarks>
internal sealed class StderrReader
{
    private const int MaxWarnings = 1000;
    private const int MaxDetails = 100;
    private readonly Lock _lock = new();
    private readonly List<(string Message, List<string> Details)> _warnings = [];
    private bool _isInWarning;

    /// <summary>Warnings beyond the limit, which were counted only.</summary>
    public int Dropped { get; private set; }

    public void Add(string line)
    {
        lock (_lock)
        {
            if (After(line, ": warning: ") is { } message)
                Start(message);
            else if (After(line, ": error: ") is not null)
                _isInWarning = false;
            else if (_isInWarning && (After(line, ": detail: ") ?? After(line, ": hint: ")) is { } detail && _warnings[^1].Details.Count < MaxDetails)
                _warnings[^1].Details.Add(detail);
        }
    }

    public IReadOnlyList<PgDumpWarning> Warnings()
    {
        lock (_lock)
            return [.. _warnings.Select(warning => new PgDumpWarning(KindOf(warning.Message), warning.Message, [.. warning.Details]))];
    }

    private void Start(string message)
    {
        _isInWarning = _warnings.Count < MaxWarnings;
        if (_isInWarning)
            _warnings.Add((message, []));
        else
            Dropped++;
    }

    private static string? After(string line, string mark)
    {
        var at = line.StartsWith("pg_dump", StringComparison.Ordinal) ? line.IndexOf(mark, StringComparison.Ordinal) : -1;
        // Only directly behind the program's name, "pg_dump" or "pg_dumpall": the same words may stand within a message.
        return at == "pg_dump".Length || at == "pg_dumpall".Length ? line[(at + mark.Length)..].Trim() : null;
    }

    private static PgDumpWarningKind KindOf(string message) => message switch
    {
        _ when message.StartsWith("there are circular foreign-key constraints", StringComparison.Ordinal) => PgDumpWarningKind.CircularForeignKeys,
        _ when message.StartsWith("could not resolve dependency loop", StringComparison.Ordinal) => PgDumpWarningKind.DependencyLoop,
        _ when message.StartsWith("subscriptions not dumped", StringComparison.Ordinal) => PgDumpWarningKind.SubscriptionsSkipped,
        _ when message.StartsWith("owner of ", StringComparison.Ordinal) => PgDumpWarningKind.InvalidOwner,
        _ => PgDumpWarningKind.Other,
    };
}
