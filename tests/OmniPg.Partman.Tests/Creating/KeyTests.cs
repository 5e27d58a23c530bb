using System.Globalization;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Creating;

/// <summary>Rows of a known moment are in the partition that is located for it, whatever the key counts, and a query for that moment looks there only.</summary>
public sealed class KeyTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private static readonly DateTimeOffset Moment = new(2026, 2, 28, 23, 59, 59, 999, TimeSpan.Zero);

    public static TheoryData<string, PartitionKeyKind, string> Keys => new()
    {
        { "int", PartitionKeyKind.EpochSeconds, "1772323199" },
        { "bigint", PartitionKeyKind.EpochMilliseconds, "1772323199999" },
        { "bigint", PartitionKeyKind.EpochMicroseconds, "1772323199999000" },
        { "numeric", PartitionKeyKind.EpochNanoseconds, "1772323199999000000" },
        { "uuid", PartitionKeyKind.UuidV7, $"'{Uuid()}'" },
        { "timestamptz", PartitionKeyKind.Time, "'2026-02-28 23:59:59.999Z'" },
        { "timestamp", PartitionKeyKind.Time, "'2026-02-28 23:59:59.999'" },
        { "date", PartitionKeyKind.Time, "'2026-02-28'" },
    };

    private static string Uuid()
    {
        var hex = Moment.ToUnixTimeMilliseconds().ToString("x12", CultureInfo.InvariantCulture);
        return $"{hex[..8]}-{hex[8..]}-7abc-8def-0123456789ab";
    }

    [Theory]
    [MemberData(nameof(Keys))]
    public async Task A_row_is_in_the_partition_located_for_it_and_found_there_alone(string type, PartitionKeyKind kind, string literal)
    {
        await Run($"CREATE TABLE events (at {type} NOT NULL, note text) PARTITION BY RANGE (at)");
        await Partman.CreateAsync(Events, new PartitionSetOptions { Control = "at", Kind = kind, Interval = PgInterval.OfMonths(1), Start = new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero) }, Token);
        await Run($"INSERT INTO events VALUES ({literal}, 'known')");

        var located = await Partman.LocateAsync(Events, PartitionBound.Of(Moment), Token);
        var explained = await Ask<string>($"SELECT string_agg(r.relname, ' ') FROM pg_class r JOIN pg_inherits i ON i.inhrelid = r.oid WHERE i.inhparent = 'events'::regclass AND r.oid IN (SELECT tableoid FROM events WHERE at = {literal})");
        var plan = await PlanAsync($"SELECT FROM events WHERE at = {literal}");

        located.Should().BeEquivalentTo(new { Exists = true, Partition = QualifiedName.Parse("public.events_p20260201") });
        explained.Should().Be("events_p20260201");
        plan.Should().Contain("events_p20260201").And.NotContain("events_p20260101").And.NotContain("events_p20260301").And.NotContain("events_default");
    }

    private async Task<string> PlanAsync(string query)
    {
        await using var command = Database.DataSource.CreateCommand("EXPLAIN " + query);
        await using var reader = await command.ExecuteReaderAsync(Token);
        var lines = new List<string>();
        while (await reader.ReadAsync(Token))
            lines.Add(reader.GetString(0));
        return string.Join('\n', lines);
    }
}
