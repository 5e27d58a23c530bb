namespace OmniPg.Core.Tests.Unit;

public sealed class SqlPlanTests
{
    private static readonly SqlPlanStep Create = new() { Kind = "create-partition", Reason = "Tomorrow has none.", Sql = "CREATE TABLE a (LIKE b);" };

    private static readonly SqlPlanStep Detach = new()
    {
        Kind = "detach",
        Reason = "Older than 30 days.",
        Sql = "ALTER TABLE b DETACH PARTITION c CONCURRENTLY",
        OwnTransaction = true,
        Locks = [new(QualifiedName.Create("app", "b"), PgLockMode.ShareUpdateExclusive)],
    };

    private static readonly SqlPlanStep Archive = new() { Kind = "archive", Reason = "Kept for the auditors.", Description = "COPY app.c to c.zst" };

    private static readonly SqlPlanStep Drop = new()
    {
        Kind = "drop",
        Reason = "Archived.",
        Sql = "DROP TABLE c",
        DestroysData = true,
        Locks = [new(QualifiedName.Create("app", "c"), PgLockMode.AccessExclusive)],
    };

    [Fact]
    public void A_script_keeps_transactions_as_the_plan_needs_them()
    {
        new SqlPlan(Create, Create with { Sql = "SELECT 1" }, Detach, Archive, Drop).ToSqlScript().Should().Be("""
            \set ON_ERROR_STOP on
            BEGIN;
            -- create-partition: Tomorrow has none.
            CREATE TABLE a (LIKE b);
            -- create-partition: Tomorrow has none.
            SELECT 1;
            COMMIT;
            -- detach: Older than 30 days.
            --   locks app.b in SHARE UPDATE EXCLUSIVE mode
            ALTER TABLE b DETACH PARTITION c CONCURRENTLY;
            -- archive: Kept for the auditors.
            --   not SQL: COPY app.c to c.zst
            BEGIN;
            -- drop: Archived.
            --   locks app.c in ACCESS EXCLUSIVE mode
            --   destroys data
            DROP TABLE c;
            COMMIT;

            """);
    }

    [Fact]
    public void A_step_of_another_server_begins_its_own_transaction_there() =>
        new SqlPlan(Create with { Server = "source" }, Create with { Server = "destination" }).ToSqlScript().Should().Be("""
            -- on server source
            BEGIN;
            -- create-partition: Tomorrow has none.
            CREATE TABLE a (LIKE b);
            COMMIT;
            -- on server destination
            BEGIN;
            -- create-partition: Tomorrow has none.
            CREATE TABLE a (LIKE b);
            COMMIT;

            """);

    [Fact]
    public void A_hostile_reason_cannot_leave_its_comment() =>
        new SqlPlan(Archive with { Reason = "a\nDROP TABLE x;\r\nb" }).ToSqlScript().Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Should().OnlyContain(line => line.StartsWith("--", StringComparison.Ordinal));

    [Fact]
    public void A_plan_says_what_it_blocks_and_destroys()
    {
        new SqlPlan(Create, Detach).Should().Match<SqlPlan>(p => !p.BlocksReads && !p.BlocksWrites && !p.DestroysData);
        new SqlPlan(Create, Drop).Should().Match<SqlPlan>(p => p.BlocksReads && p.BlocksWrites && p.DestroysData);
        new SqlPlan().IsEmpty.Should().BeTrue();
        new SqlPlan().ToSqlScript().Should().BeEmpty();
    }

    [Fact]
    public void The_fingerprint_tells_every_difference()
    {
        SqlPlan[] plans =
        [
            new(), new(Create), new(Create, Create), new(Create with { Server = "x" }), new(Create with { Reason = "x" }), new(Create with { OwnTransaction = true }),
            new(Create with { DestroysData = true }), new(Create with { Locks = Drop.Locks }), new(Create with { Sql = null, Description = Create.Sql }),
        ];

        plans.Select(p => p.Fingerprint).Should().OnlyHaveUniqueItems();
        new SqlPlan(Create).Fingerprint.Should().Be(new SqlPlan(Create with { }).Fingerprint).And.HaveLength(64);
    }
}
