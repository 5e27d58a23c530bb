using System.Globalization;
using System.Reflection;

namespace OmniPg.Jobmon.Tests.Options;

/// <summary>The default of every option, so that none changes unnoticed; the table of the README must tell the same.</summary>
public sealed class OptionDefaultTests
{
    private static readonly Dictionary<string, object?> JobmonDefaults = new()
    {
        ["ConnectionString"] = null, ["WriterDataSource"] = null, ["DataSourceKey"] = null, ["Schema"] = null, ["SideSchema"] = "omnipg_jobmon",
        ["ErrorPolicy"] = ErrorPolicy.LogAndContinue, ["DisposeBehavior"] = DisposeBehavior.FailUnlessCompleted,
        ["FlushInterval"] = TimeSpan.FromSeconds(1), ["HeartbeatInterval"] = TimeSpan.FromSeconds(15), ["DeadAfter"] = TimeSpan.FromSeconds(60),
        ["ConnectTimeout"] = TimeSpan.FromSeconds(5), ["CommandTimeout"] = TimeSpan.FromSeconds(5),
        ["MaxMessageBytes"] = 65_536, ["MaxJobNameBytes"] = 1_000, ["MaxBufferedEvents"] = 1_024, ["SpoolDirectory"] = null, ["MaxLogLines"] = 10_000,
        ["ClientName"] = null, ["MessageFilter"] = null, ["Liveness"] = LivenessMode.Auto, ["RelaxedStartDurability"] = false,
        ["PgCron"] = false, ["PgCronDataSource"] = null, ["PgCronConnectionString"] = null, ["PgCronStartGrace"] = TimeSpan.FromMinutes(2),
    };

    // What null means is told in words.
    private static readonly Dictionary<string, string> NullInWords = new()
    {
        ["ConnectionString"] = "from the data source", ["Schema"] = "the extension's, else `jobmon`", ["ClientName"] = "`program@host`",
    };

    [Fact]
    public void Options_of_the_client_have_their_documented_defaults() => Defaults(new JobmonOptions()).Should().Equal(JobmonDefaults);

    [Fact]
    public void Options_of_a_job_have_their_documented_defaults() => Defaults(new JobOptions()).Should().BeEquivalentTo(new Dictionary<string, object?>
    {
        ["SingleInstance"] = false, ["OnConflict"] = OnConflict.Skip, ["WaitTimeout"] = TimeSpan.FromMinutes(1), ["MaxRuntime"] = null,
        ["Tags"] = Array.Empty<string>(), ["Arguments"] = new Dictionary<string, string>(), ["Parent"] = null, ["ErrorsOnly"] = false,
        ["RecordWhenLongerThan"] = null, ["DisposeBehavior"] = null, ["CancelledLevel"] = AlertLevel.Critical, ["WorkConnection"] = null,
        ["StoppingToken"] = CancellationToken.None,
    });

    [Fact]
    public void Options_of_a_sql_job_have_their_documented_defaults()
    {
        var options = new SqlJobOptions();

        Defaults(options).Should().BeEquivalentTo(new Dictionary<string, object?>
        {
            ["Job"] = new JobOptions { SingleInstance = true }, ["DataSource"] = null, ["CommandTimeout"] = TimeSpan.Zero,
        });
        (options.Job.SingleInstance, options.Job.OnConflict).Should().Be((true, OnConflict.Skip));
    }

    [Fact]
    public void Options_of_a_purge_have_their_documented_defaults() => Defaults(new PurgeOptions()).Should().Equal(new Dictionary<string, object?>
    {
        ["OlderThan"] = null, ["KeepPerJob"] = null, ["KeepFailuresFor"] = null, ["BatchSize"] = 5_000, ["LogAsJob"] = true,
    });

    [Fact]
    public void Options_of_an_installation_have_their_documented_defaults() => Defaults(new InstallOptions()).Should().Equal(new Dictionary<string, object?>
    {
        ["Schema"] = null, ["Dblink"] = null, ["ReaderRole"] = null, ["LockTimeout"] = TimeSpan.FromSeconds(30),
    });

    [Fact]
    public void Conditions_of_a_query_have_their_documented_defaults() => Defaults(new JobQuery()).Should().Equal(new Dictionary<string, object?>
    {
        ["Name"] = null, ["NameMatches"] = null, ["Status"] = null, ["Tag"] = null, ["Since"] = null, ["Before"] = null, ["Unfinished"] = null, ["Limit"] = 10,
    });

    [Fact]
    public void Table_of_the_readme_lists_every_option_with_its_default()
    {
        var told = new Dictionary<string, string>();
        foreach (var line in File.ReadLines(Path.Combine(Root(), "src", "OmniPg.Jobmon", "README.md")).SkipWhile(l => l != "## Options").Where(l => l.StartsWith("| `", StringComparison.Ordinal)))
        {
            var cells = line.Trim('|').Split(" | ");
            foreach (var (name, value) in cells[0].Trim().Split(" / ").Zip(cells[1].Trim().Split(" / ")))
                told.Add(name.Trim('`'), value);
        }

        told.Should().BeEquivalentTo(JobmonDefaults.ToDictionary(d => d.Key, d => Words(d.Key, d.Value)));
    }

    private static Dictionary<string, object?> Defaults(object options) =>
        options.GetType().GetProperties(BindingFlags.Public | BindingFlags.Instance).ToDictionary(p => p.Name, p => p.GetValue(options));

    private static string Words(string name, object? value) => value switch
    {
        null => NullInWords.GetValueOrDefault(name, "none"),
        TimeSpan time => string.Create(CultureInfo.InvariantCulture, $"{time.TotalSeconds} s"),
        int number => number.ToString("#,0", CultureInfo.InvariantCulture).Replace(',', ' '),
        bool flag => flag ? "true" : "false",
        _ => $"`{value}`",
    };

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "OmniPg.Sdk.sln")))
            folder = Path.GetDirectoryName(folder)!;
        return folder;
    }
}
