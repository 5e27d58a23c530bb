using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace OmniPg;

/// <summary>What a call would do, step by step, before it is done: a dry run prints it, an apply executes it.</summary>
/// <remarks>Immutable. The steps stand in the order of execution.</remarks>
public sealed class SqlPlan
{
    /// <summary>Creates the plan.</summary>
    /// <param name="steps">The steps in the order of execution; may be empty.</param>
    public SqlPlan(params IEnumerable<SqlPlanStep> steps)
    {
        ArgumentNullException.ThrowIfNull(steps);
        Steps = [.. steps];
        Fingerprint = Digest(Steps);
    }

    /// <summary>The steps in the order of execution.</summary>
    public IReadOnlyList<SqlPlanStep> Steps { get; }

    /// <summary>SHA-256 over everything that the steps say, in lower case hexadecimal: two plans with one fingerprint do the same.</summary>
    public string Fingerprint { get; }

    /// <summary>Whether there is nothing to do.</summary>
    public bool IsEmpty => Steps.Count == 0;

    /// <summary>Whether a step takes data away that is nowhere else.</summary>
    public bool DestroysData => Steps.Any(s => s.DestroysData);

    /// <summary>Whether readers of some relation have to wait while a step runs.</summary>
    public bool BlocksReads => Steps.Any(s => s.BlocksReads);

    /// <summary>Whether writers of some relation have to wait while a step runs.</summary>
    public bool BlocksWrites => Steps.Any(s => s.BlocksWrites);

    /// <summary>
    /// The plan as a script for <c>psql</c>: steps that may share a transaction stand between <c>BEGIN</c> and <c>COMMIT</c>, each below a comment that
    /// gives its reason and locks. A step that is not SQL stands as a comment, because psql cannot do it. A plan that destroys data ends psql at the first error.
    /// </summary>
    /// <returns>The script, each line ended with a line feed; empty for an empty plan.</returns>
    public string ToSqlScript()
    {
        var script = new StringBuilder();
        var server = default(string);
        var open = false;
        // What is taken away was to be taken away because of the steps before it.
        if (DestroysData)
            script.Append("\\set ON_ERROR_STOP on\n");
        foreach (var step in Steps)
        {
            var joins = step is { Sql: not null, OwnTransaction: false } && step.Server == server;
            if (open && !joins)
                Close();
            if (step.Server != server)
            {
                server = step.Server;
                Comment($"on server {server ?? "(default)"}");
            }
            if (step.Sql is not null && !step.OwnTransaction && !open)
            {
                script.Append("BEGIN;\n");
                open = true;
            }
            Comment($"{step.Kind}: {step.Reason}");
            foreach (var taken in step.Locks)
                Comment($"  locks {taken}");
            if (step.DestroysData)
                Comment("  destroys data");
            if (step.Sql is { } sql)
                script.Append(sql.TrimEnd().TrimEnd(';')).Append(";\n");
            else
                Comment($"  not SQL: {step.Description}");
        }
        if (open)
            Close();
        return script.ToString();

        void Close()
        {
            script.Append("COMMIT;\n");
            open = false;
        }

        // A reason may quote a hostile name: no line of it may leave the comment.
        void Comment(string text) => script.Append("-- ").Append(text.ReplaceLineEndings("\n-- ")).Append('\n');
    }

    /// <summary>The script.</summary>
    /// <returns><see cref="ToSqlScript"/>.</returns>
    public override string ToString() => ToSqlScript();

    private static string Digest(IReadOnlyList<SqlPlanStep> steps)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var step in steps)
        {
            // Each field with its length in front, so that no two plans run together.
            foreach (var field in (string?[])[step.Kind, step.Server, step.Sql, step.Description, step.Reason, string.Join('|', step.Locks), Flags(step)])
                hash.AppendData(Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{field?.Length ?? -1}:{field};")));
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());

        static string Flags(SqlPlanStep step) => $"{step.OwnTransaction}{step.DestroysData}";
    }
}

/// <summary>One step of a <see cref="SqlPlan"/>: a statement, or something that is not SQL, such as a COPY pipe or an archive file.</summary>
public sealed record SqlPlanStep
{
    /// <summary>What kind of step, a stable word of the package that planned it, such as <c>create-partition</c>.</summary>
    public required string Kind { get; init; }

    /// <summary>Why the step is done, one sentence for people.</summary>
    public required string Reason { get; init; }

    /// <summary>The statement or statements, without placeholders; <see langword="null"/> for a step that is not SQL.</summary>
    public string? Sql { get; init; }

    /// <summary>What a step that is not SQL does; <see langword="null"/> for a statement.</summary>
    public string? Description { get; init; }

    /// <summary>Which server runs it, by the name the package knows it under; <see langword="null"/> is the only one.</summary>
    public string? Server { get; init; }

    /// <summary>The table locks that the step takes, strongest first; empty when it takes none that matter.</summary>
    public IReadOnlyList<SqlPlanLock> Locks { get; init; } = [];

    /// <summary>Whether the step must stand outside of a transaction block, as <c>DETACH PARTITION CONCURRENTLY</c> must. Default <see langword="false"/>.</summary>
    public bool OwnTransaction { get; init; }

    /// <summary>Whether the step takes data away that is nowhere else. Default <see langword="false"/>.</summary>
    public bool DestroysData { get; init; }

    /// <summary>Whether readers of a relation have to wait: only <c>ACCESS EXCLUSIVE</c> does that.</summary>
    public bool BlocksReads => Locks.Any(l => l.Mode == PgLockMode.AccessExclusive);

    /// <summary>Whether writers of a relation have to wait: <c>SHARE</c> and every stronger mode does that.</summary>
    public bool BlocksWrites => Locks.Any(l => l.Mode >= PgLockMode.Share);
}

/// <summary>A table lock of a planned step.</summary>
/// <param name="Relation">The relation.</param>
/// <param name="Mode">How strong.</param>
public sealed record SqlPlanLock(QualifiedName Relation, PgLockMode Mode)
{
    /// <summary>As in <c>LOCK TABLE</c>, such as <c>app.events in ACCESS EXCLUSIVE mode</c>.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => $"{Relation} in {Mode switch
    {
        PgLockMode.AccessShare => "ACCESS SHARE",
        PgLockMode.RowShare => "ROW SHARE",
        PgLockMode.RowExclusive => "ROW EXCLUSIVE",
        PgLockMode.ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
        PgLockMode.Share => "SHARE",
        PgLockMode.ShareRowExclusive => "SHARE ROW EXCLUSIVE",
        PgLockMode.Exclusive => "EXCLUSIVE",
        _ => "ACCESS EXCLUSIVE",
    }} mode";
}

/// <summary>Modes of table locks, weakest first, with the server's own numbers (src/include/storage/lockdefs.h; manual 13.3.1).</summary>
public enum PgLockMode
{
    /// <summary>Taken by <c>SELECT</c>.</summary>
    AccessShare = 1,

    /// <summary>Taken by <c>SELECT FOR UPDATE</c>.</summary>
    RowShare = 2,

    /// <summary>Taken by <c>INSERT</c>, <c>UPDATE</c>, <c>DELETE</c>.</summary>
    RowExclusive = 3,

    /// <summary>Taken by <c>VACUUM</c>, <c>CREATE INDEX CONCURRENTLY</c>, <c>ATTACH PARTITION</c>.</summary>
    ShareUpdateExclusive = 4,

    /// <summary>Taken by <c>CREATE INDEX</c>; writers wait.</summary>
    Share = 5,

    /// <summary>Taken by <c>CREATE TRIGGER</c> and <c>ADD FOREIGN KEY</c>; writers wait.</summary>
    ShareRowExclusive = 6,

    /// <summary>Taken by <c>REFRESH MATERIALIZED VIEW CONCURRENTLY</c>; writers wait.</summary>
    Exclusive = 7,

    /// <summary>Taken by <c>DROP</c>, <c>TRUNCATE</c> and most of <c>ALTER TABLE</c>; everybody waits.</summary>
    AccessExclusive = 8,
}
