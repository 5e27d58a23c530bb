using System.Reflection;
using Microsoft.Extensions.Logging;
using OmniPg.Testing;

namespace OmniPg.Jobmon.Tests.Documentation;

/// <summary>What docs/jobmon.md lists is what the code has.</summary>
public sealed class PageTests(PgClusterFixture server)
{
    private static readonly string Page = File.ReadAllText(Path.Combine(Root(), "docs", "jobmon.md"));

    [Fact]
    public void Every_log_event_stands_in_the_table_of_troubles_with_its_level()
    {
        var events = typeof(JobmonClient).Assembly.GetTypes().SelectMany(type => type.GetMethods(BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic))
            .Select(method => method.GetCustomAttribute<LoggerMessageAttribute>()).OfType<LoggerMessageAttribute>().ToDictionary(e => e.EventId, e => e.Level);

        var told = new Dictionary<int, LogLevel>();
        foreach (var row in Section("## Troubleshooting").Where(line => line.StartsWith("| 3", StringComparison.Ordinal)).Select(line => line.Split('|', StringSplitOptions.TrimEntries)))
        {
            foreach (var id in row[1].Split(", "))
                told.Add(int.Parse(id), Enum.Parse<LogLevel>(row[2]));
        }

        events.Should().NotBeEmpty();
        told.Should().BeEquivalentTo(events);
    }

    [Fact]
    public void Script_of_rights_is_the_one_that_the_package_gives()
    {
        var script = JobmonRights.Script(PgIdentifier.Create("etl"), JobmonAccess.Write, JobmonMode.Own, PgIdentifier.Create("jobmon"), PgIdentifier.Create("omnipg_jobmon"));

        Section("## Rights").SkipWhile(line => line != "```sql").Skip(1).TakeWhile(line => line != "```").Should().Equal(
            script.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Everything_that_the_original_has_stands_in_the_table_for_those_who_come_from_it()
    {
        await using var log = await JobLogDatabase.CreateAsync(server.Cluster, dblink: false);
        var names = await log.RowsAsync(
            """
            SELECT proname FROM pg_proc WHERE pronamespace = 'jobmon'::regnamespace AND (proname ~ '^[^_]' OR proname ~ '^_autonomous') AND proname !~ '^omnipg_'
            UNION SELECT relname FROM pg_class WHERE relnamespace = 'jobmon'::regnamespace AND relkind = 'r' AND relname !~ '^omnipg_'
            UNION SELECT tgname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid WHERE c.relnamespace = 'jobmon'::regnamespace AND NOT t.tgisinternal AND tgname !~ 'sweep'
            """);

        var table = string.Join('\n', Section("## Coming from pg_jobmon").Where(line => line.StartsWith('|')).Select(line => line.Split('|')[1]));

        names.Should().HaveCountGreaterThan(25);
        names.Where(name => !table.Contains(name, StringComparison.Ordinal)).Should().BeEmpty();
    }

    private static IEnumerable<string> Section(string heading) =>
        Page.ReplaceLineEndings("\n").Split('\n').SkipWhile(line => line != heading).Skip(1).TakeWhile(line => !line.StartsWith("## ", StringComparison.Ordinal));

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OmniPg.Sdk.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
