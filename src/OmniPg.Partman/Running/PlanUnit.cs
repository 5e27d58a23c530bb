using System.Globalization;

namespace OmniPg.Partman;

/// <summary>One transaction of a plan, or one statement that must stand outside of any. What the plan prints is made of what is executed.</summary>
internal sealed record PlanUnit
{
    public required string Kind { get; init; }

    /// <summary>The partition; null for what concerns the whole set.</summary>
    public QualifiedName? Child { get; init; }

    /// <summary>The partition as the plan knew it, where the unit takes it away: its name must not mean another table by then. 0 where it is made.</summary>
    public uint ChildOid { get; init; }

    public PartitionBound Lower { get; init; }

    public PartitionBound Upper { get; init; }

    public required string Reason { get; init; }

    public required IReadOnlyList<string> Statements { get; init; }

    /// <summary>Strongest first.</summary>
    public required IReadOnlyList<SqlPlanLock> Locks { get; init; }

    /// <summary>Tables that it locks beside the set and its partitions, for whoever asks who holds them.</summary>
    public IReadOnlyList<uint> Locked { get; init; } = [];

    /// <summary>Whether the statement is one that the server refuses inside of a transaction: a detach, or, where nothing has to hold, a vacuum.</summary>
    public bool IsOutside { get; init; }

    /// <summary>What a unit does that is not SQL: it archives and drops the table of <see cref="ChildOid"/>, which is set aside. Null for statements.</summary>
    public string? Archives { get; init; }

    public bool DestroysData { get; init; }

    /// <summary>What the unit does to its partition; Keep for preparations.</summary>
    public PartitionFate Fate { get; init; }

    /// <summary>Whether units that come after it make sense without it: those of other partitions do.</summary>
    public bool IsPreparation { get; init; }

    /// <summary>Whether it makes sense only behind the unit before it, and falls with that one.</summary>
    public bool Continues { get; init; }

    /// <summary>Statements of one transaction that follow when a statement outside of any has failed, for what that may have left; empty for none.</summary>
    public IReadOnlyList<string> WhenInterrupted { get; init; } = [];

    /// <summary>A question that is answered with true while what the unit takes from is still what it was planned for; asked under the locks of the unit. Null for none.</summary>
    public string? Holds { get; init; }

    /// <summary>Whether it goes by names alone, so that the script makes the same set in another database: it takes nothing away.</summary>
    public bool GoesByNames { get; init; }

    public SqlPlanStep ToStep(SetState state, TimeSpan lockTimeout) => new()
    {
        Kind = Kind,
        Reason = Reason,
        Description = Archives,
        Sql = Archives is not null ? null : IsOutside ? Statements[0] : $"BEGIN;\n{string.Join(";\n", Script(state, lockTimeout))};\nCOMMIT",
        OwnTransaction = true,
        Locks = Locks,
        DestroysData = DestroysData,
    };

    /// <summary>The statements of the transaction: locks first, then whether everything is still what the plan was made for, then the work.</summary>
    public IEnumerable<string> Script(SetState state, TimeSpan lockTimeout)
    {
        var locks = Statements.TakeWhile(s => s.StartsWith("LOCK TABLE ", StringComparison.Ordinal)).ToList();
        return
        [
            $"SET LOCAL lock_timeout = {Milliseconds(lockTimeout)}",
            .. locks, .. GoesByNames ? Array.Empty<string>() : [Guard(state)], .. Statements.Skip(locks.Count),
        ];
    }

    /// <summary>
    /// Names were resolved when the plan was made; by now they must not mean other tables, and what goes must still be what the plan was made for: whoever
    /// detached a partition while this waited for its lock wants to keep it.
    /// </summary>
    public string Guard(SetState state)
    {
        string Same(QualifiedName table, uint oid) =>
            $"IF pg_catalog.to_regclass({PgLiteral.Quote(table.Quoted)})::pg_catalog.oid IS DISTINCT FROM {oid.ToString(CultureInfo.InvariantCulture)} THEN "
            + Raise($"'{table}' is gone, or another table now");
        var body = "BEGIN " + Same(state.Table, state.Oid)
            + (this is { Child: { } child, ChildOid: not 0 } ? Same(child, ChildOid) : "")
            + (Holds is { } question ? $"IF ({question}) IS NOT TRUE THEN {Raise("the partition was detached, attached or altered by somebody else")}" : "") + "END";
        return $"DO {PgLiteral.Quote(body)}";

        static string Raise(string what) => $"RAISE EXCEPTION USING ERRCODE = '{Refusal.Overtaken}', MESSAGE = {PgLiteral.Quote(what)}; END IF; ";
    }

    public static string Milliseconds(TimeSpan limit) => ((long)limit.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
}
