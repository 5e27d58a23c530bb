using System.Globalization;
using Npgsql;

namespace OmniPg.Shared;

/// <summary>Installs or upgrades the tables and functions of a package: one transaction, one installer at a time, and the plan that a dry run prints.</summary>
/// <remarks>
/// How a package uses it: its scripts may run again on an installed schema and change nothing there; what a version adds stands as a statement of its own
/// (<c>ADD COLUMN IF NOT EXISTS</c>), for <c>CREATE TABLE IF NOT EXISTS</c> passes by a table that exists. <see cref="Begin"/> is the first step of the plan.
/// <see cref="RunAsync"/> does that step, looks under its lock what is there (<see cref="SchemaFind"/>; nothing newer may be touched), makes the plan for it and
/// applies the rest (<see cref="ApplyAsync"/>).
/// </remarks>
internal static class SchemaInstall
{
    /// <summary>
    /// First step of every plan: lets two installers of the package follow each other, and reads strings as the scripts write them, whatever the database is
    /// set to. Part of the installation's transaction.
    /// </summary>
    /// <param name="lockName">Name of the lock, such as <c>omnipg_jobmon.install</c>.</param>
    public static SqlPlanStep Begin(string lockName) => new()
    {
        Kind = "begin",
        Reason = "One installation at a time; the texts below are read with standard strings.",
        Sql = $"SET LOCAL standard_conforming_strings = on;\nSELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended({PgLiteral.Quote(lockName)}, 0));",
    };

    /// <summary>Runs an installation in one transaction, under the lock of <see cref="Begin"/>.</summary>
    /// <param name="session">A session outside any transaction.</param>
    /// <param name="lockName">Name of the lock.</param>
    /// <param name="lockTimeout">
    /// Longest wait for any lock, that of another installation included: whoever waits for an exclusive lock makes all later users of the table wait, too.
    /// </param>
    /// <param name="work">Looks, plans and applies; nothing is changed when it throws.</param>
    public static Task<T> RunAsync<T>(PgSession session, string lockName, TimeSpan lockTimeout, Func<Task<T>> work) => session.InTransactionAsync(async () =>
    {
        var milliseconds = ((long)lockTimeout.TotalMilliseconds).ToString(CultureInfo.InvariantCulture);
        await session.Unlimited.ExecuteAsync($"SET LOCAL lock_timeout = {milliseconds};\n{Begin(lockName).Sql}").ConfigureAwait(false);
        return await work().ConfigureAwait(false);
    });

    /// <summary>Executes the steps of a plan but the first one, <see cref="Begin"/>, in the transaction of <see cref="RunAsync"/>.</summary>
    /// <param name="session">The session.</param>
    /// <param name="plan">The plan.</param>
    /// <param name="explain">The package's exception for a refusal of the server; null for one that means nothing here.</param>
    public static async Task ApplyAsync(PgSession session, SqlPlan plan, Func<PostgresException, Exception?> explain)
    {
        try
        {
            foreach (var step in plan.Steps.Skip(1))
                await session.Unlimited.ExecuteTextAsync(step.Sql!).ConfigureAwait(false);
        }
        catch (PostgresException refusal) when (explain(refusal) is { } explained)
        {
            throw explained;
        }
    }
}
