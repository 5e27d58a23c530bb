using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Exporting;

/// <summary>What is written down of a set makes the same set again.</summary>
public sealed class ExportTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    private const string Configuration =
        "SELECT string_agg(x, E'\\n' ORDER BY x) FROM (SELECT (to_jsonb(g) - 'maintenance_last_run')::text AS x FROM omnipg_partman.part_config g UNION ALL SELECT to_jsonb(s)::text FROM omnipg_partman.part_config_sub s UNION ALL SELECT key || value FROM omnipg_partman.part_option) t";

    private async Task<string> JsonAsync() => await Partman.ExportDefinitionAsync(Events, cancellationToken: Token);

    private static PartitionSetOptions Parse(string json)
    {
        using var document = System.Text.Json.JsonDocument.Parse(json);
        return PartitionSetOptions.Parse(document.RootElement.GetProperty("public.events").EnumerateObject().SelectMany(p => p.Value.ValueKind == System.Text.Json.JsonValueKind.Object
            ? p.Value.EnumerateObject().Select(c => KeyValuePair.Create($"{p.Name}:{c.Name}", (string?)c.Value.ToString())) : [KeyValuePair.Create(p.Name, (string?)p.Value.ToString())]));
    }

    [Fact]
    public async Task A_set_made_of_its_own_definition_is_the_same_again()
    {
        await Run("CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at); CREATE SCHEMA old; CREATE TABLE \"a \"\"form\" (LIKE events)");
        await Partman.CreateAsync(Events, new PartitionSetOptions
        {
            Control = "at", Interval = PgInterval.OfMonths(1), TimeZone = "Europe/Berlin", Premake = 2, Start = DateTimeOffset.UtcNow.AddMonths(-3).AddDays(1), StartExactly = true, DefaultPartition = false, Basis = PremakeBasis.NewestRow,
            Retention = PgInterval.Parse("90 days"), RetentionCount = 7, RetentionBytes = 1L << 40, WhenExpired = ExpiredAction.Move, RetentionSchema = "old", KeepIndexes = false, Template = QualifiedName.Create("public", "a \"form"), InheritPrivileges = true, MaintenanceOrder = 3,
            SubPartitions = new PartitionSetOptions { Control = "id", IdInterval = 10, Premake = 1, IdRetention = 100 },
        }, Token);
        var (before, bounds, json) = (await Ask<string>(Configuration), await BoundsAsync(), await JsonAsync());
        await Partman.ForgetAsync(Events, Token);
        await Run("DELETE FROM omnipg_partman.part_config; DELETE FROM omnipg_partman.part_option; DROP TABLE events; CREATE TABLE events (id bigint NOT NULL, at timestamptz NOT NULL) PARTITION BY RANGE (at)");

        await Partman.CreateAsync(Events, Parse(json), Token);

        (await Ask<string>(Configuration)).Should().Be(before);
        (await BoundsAsync()).Should().Equal(bounds);
        (await Partman.PlanSetsAsync(new Dictionary<QualifiedName, PartitionSetOptions> { [Events] = Parse(json) }, Token)).IsEmpty.Should().BeTrue();
    }

    [Fact]
    public async Task What_is_as_by_default_is_left_out()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.IdOffset = 3), Token);

        (await JsonAsync()).ReplaceLineEndings("\n").Should().Be("{\n  \"public.events\": {\n    \"control\": \"id\",\n    \"idInterval\": 10,\n    \"idOffset\": 3\n  }\n}\n");
        (await Partman.ExportDefinitionAsync(Events, DefinitionFormat.CSharp, Token)).Should().Be(
            "await partman.CreateAsync(QualifiedName.Parse(\"public.events\"), new PartitionSetOptions\n{\n    Control = \"id\",\n    IdInterval = 10,\n    IdOffset = 3,\n});\n");
    }

    [Fact]
    public async Task Calls_of_the_extension_say_what_it_knows_and_comments_the_rest()
    {
        await DailyTableAsync();
        await Partman.CreateAsync(Events, Daily(o => (o.TimeZone, o.Retention, o.RetentionCount, o.WhenExpired) = ("Europe/Berlin", PgInterval.OfDays(30), 40, ExpiredAction.Drop)), Token);

        (await Partman.ExportDefinitionAsync(Events, DefinitionFormat.ExtensionSql, Token)).Should().Be(
            "SELECT \"partman\".create_parent(p_parent_table := 'public.events', p_control := 'at', p_interval := '1 day', p_type := 'range', p_epoch := 'none', p_premake := 4, p_default_table := true, p_automatic_maintenance := 'on', p_template_table := 'false');\n"
            + "UPDATE \"partman\".part_config SET retention = '30 days', retention_schema = NULL, retention_keep_index = true, retention_keep_table = false, retention_keep_publication = false, infinite_time_partitions = true, inherit_privileges = false, maintenance_order = NULL WHERE parent_table = 'public.events';\n"
            + "-- The extension works in the time zone of its session: run it with TimeZone 'Europe/Berlin'.\n-- Retention by number and by size is none that the extension knows.\n");
    }

    [Fact]
    public async Task A_table_that_is_no_set_and_a_format_that_is_none_are_refused()
    {
        var none = () => Partman.ExportDefinitionAsync(Events, cancellationToken: Token);
        var format = () => Partman.ExportDefinitionAsync(Events, (DefinitionFormat)9, Token);

        await none.Should().ThrowAsync<PartitionSetNotFoundException>();
        await format.Should().ThrowAsync<ArgumentOutOfRangeException>();
    }
}
