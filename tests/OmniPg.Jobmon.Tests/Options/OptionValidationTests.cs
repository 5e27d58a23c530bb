using System.Reflection;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Jobmon.Tests.Options;

/// <summary>Whatever is wrong with the options is told at once, each with its value and what is allowed, by both ways to a client.</summary>
public sealed class OptionValidationTests
{
    private static readonly string[] EveryFailure =
    [
        "ConnectionString is not a connection string that the driver can read.",
        "PgCronConnectionString is not a connection string that the driver can read.",
        "ErrorPolicy '7' must be one of 'LogAndContinue', 'Throw'.",
        "DisposeBehavior '8' must be one of 'FailUnlessCompleted', 'CompleteUnlessFailed'.",
        "Liveness '9' must be one of 'Auto', 'Lock', 'Heartbeat'.",
        "FlushInterval '00:00:00.0490000' must be between '00:00:00.0500000' and '00:01:00'.",
        "HeartbeatInterval '00:10:00.0010000' must be between '00:00:00.1000000' and '00:10:00'.",
        "ConnectTimeout '00:00:00.9990000' must be between '00:00:01' and '00:05:00'.",
        "CommandTimeout '00:05:00.0010000' must be between '00:00:01' and '00:05:00'.",
        "MaxMessageBytes '63' must be between '64' and '16777216'.",
        "MaxJobNameBytes '2601' must be between '1' and '2600'.",
        "MaxBufferedEvents '15' must be between '16' and '1000000'.",
        "MaxLogLines '-1' must be between '0' and '10000000'.",
        "PgCronStartGrace '1.00:00:01' must be between '00:00:00' and '1.00:00:00'.",
        "PgCronConnectionString and PgCronDataSource mean nothing while PgCron is false.",
        "DeadAfter '00:30:00' must be at least three times HeartbeatInterval '00:10:00.0010000'.",
        "SpoolDirectory ' ' is not a path.",
    ];

    private static CancellationToken Stop => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Registration_reports_all_failures_when_the_host_starts()
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddOmniPgJobmon(MakeAllWrong);
        using var host = builder.Build();

        var error = (await host.Awaiting(h => h.StartAsync(Stop)).Should().ThrowAsync<OptionsValidationException>()).Which;

        error.Failures.Take(EveryFailure.Length).Should().Equal(EveryFailure);
        error.Failures.Skip(EveryFailure.Length).Should().SatisfyRespectively(
            schema => schema.Should().StartWith($"Schema '{new string('x', 64)}' is not a schema name: ").And.Contain("63"),
            side => side.Should().StartWith("SideSchema '' is not a schema name: "));
        error.ToString().Should().NotContain("s3cret");
    }

    [Fact]
    public void Create_reports_the_same_failures()
    {
        using var source = NpgsqlDataSource.Create("Host=127.0.0.1");
        var options = new JobmonOptions();
        MakeAllWrong(options);

        var error = FluentActions.Invoking(() => new JobmonClient(source, options)).Should().Throw<OptionsValidationException>().Which;

        error.Message.Should().StartWith(string.Join("; ", EveryFailure) + "; Schema 'xxx").And.Contain("SideSchema ''").And.NotContain("s3cret");
    }

    [Theory]
    [MemberData(nameof(Edges))]
    public void Edges_of_the_ranges_are_allowed(Action<JobmonOptions> set)
    {
        var options = new JobmonOptions();
        set(options);

        OptionsCheck.FailuresOf(options).Should().BeEmpty();
    }

    public static TheoryData<Action<JobmonOptions>> Edges { get; } = new()
    {
        o => o.FlushInterval = TimeSpan.FromMilliseconds(50), o => o.FlushInterval = TimeSpan.FromMinutes(1),
        o => o.HeartbeatInterval = TimeSpan.FromMilliseconds(100), o => (o.HeartbeatInterval, o.DeadAfter) = (TimeSpan.FromMinutes(10), TimeSpan.FromMinutes(30)),
        o => o.DeadAfter = TimeSpan.FromSeconds(45), o => o.ConnectTimeout = TimeSpan.FromSeconds(1), o => o.ConnectTimeout = TimeSpan.FromMinutes(5),
        o => o.CommandTimeout = TimeSpan.FromSeconds(1), o => o.CommandTimeout = TimeSpan.FromMinutes(5),
        o => o.MaxMessageBytes = 64, o => o.MaxMessageBytes = 16 << 20, o => o.MaxJobNameBytes = 1, o => o.MaxJobNameBytes = 2_600,
        o => o.MaxBufferedEvents = 16, o => o.MaxBufferedEvents = 1_000_000, o => o.MaxLogLines = 0, o => o.MaxLogLines = 10_000_000,
        o => o.Schema = new string('x', 63), o => o.SideSchema = "x", o => o.Schema = null,
        o => o.PgCronStartGrace = TimeSpan.Zero, o => o.PgCronStartGrace = TimeSpan.FromDays(1),
    };

    [Fact]
    public void Configuration_reaches_every_option_that_a_text_can_tell()
    {
        var texts = new Dictionary<string, string?>
        {
            ["ConnectionString"] = "Host=a", ["DataSourceKey"] = "key", ["Schema"] = "log", ["SideSchema"] = "side", ["SpoolDirectory"] = "/spool", ["ClientName"] = "etl",
            ["ErrorPolicy"] = "Throw", ["DisposeBehavior"] = "CompleteUnlessFailed", ["Liveness"] = "Heartbeat", ["FlushInterval"] = "00:00:02",
            ["HeartbeatInterval"] = "00:00:20", ["DeadAfter"] = "00:01:30", ["ConnectTimeout"] = "00:00:03", ["CommandTimeout"] = "00:00:04",
            ["MaxMessageBytes"] = "100", ["MaxJobNameBytes"] = "200", ["MaxBufferedEvents"] = "300", ["MaxLogLines"] = "400", ["RelaxedStartDurability"] = "True",
            ["PgCron"] = "True", ["PgCronConnectionString"] = "Host=b", ["PgCronStartGrace"] = "00:05:00",
        };
        var section = new ConfigurationBuilder().AddInMemoryCollection(texts.ToDictionary(t => "J:" + t.Key, t => t.Value)).Build().GetSection("J");
        using var provider = new ServiceCollection().AddOmniPgJobmon(section).Services.BuildServiceProvider();

        var options = provider.GetRequiredService<IOptions<JobmonOptions>>().Value;

        var settable = typeof(JobmonOptions).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Where(p => !typeof(Delegate).IsAssignableFrom(p.PropertyType) && p.PropertyType != typeof(NpgsqlDataSource)).ToArray();
        settable.Select(p => p.Name).Should().BeEquivalentTo(texts.Keys);
        settable.ToDictionary(p => p.Name, p => p.GetValue(options)?.ToString()).Should().BeEquivalentTo(texts);
    }

    [Theory]
    [InlineData("FlushInterval", "soon", "Configuration value 'soon' of 'FlushInterval' is not a TimeSpan.")]
    [InlineData("MaxLogLines", "1e3", "Configuration value '1e3' of 'MaxLogLines' is not a Int32.")]
    [InlineData("ErrorPolicy", "Panic", "Configuration value 'Panic' of 'ErrorPolicy' is not a ErrorPolicy.")]
    public void A_text_that_is_no_value_is_told_with_its_key(string key, string text, string message)
    {
        var section = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["J:" + key] = text }).Build().GetSection("J");
        using var provider = new ServiceCollection().AddOmniPgJobmon(section).Services.BuildServiceProvider();

        FluentActions.Invoking(() => provider.GetRequiredService<IOptions<JobmonOptions>>().Value).Should().Throw<InvalidOperationException>().WithMessage(message);
    }

    private static void MakeAllWrong(JobmonOptions options)
    {
        options.ConnectionString = "Host=a;Password=;s3cret";
        options.PgCronConnectionString = "Host=a;Password=;s3cret";
        options.PgCronStartGrace = TimeSpan.FromSeconds(86_401);
        options.ErrorPolicy = (ErrorPolicy)7;
        options.DisposeBehavior = (DisposeBehavior)8;
        options.Liveness = (LivenessMode)9;
        options.FlushInterval = TimeSpan.FromMilliseconds(49);
        options.HeartbeatInterval = TimeSpan.FromMilliseconds(600_001);
        options.DeadAfter = TimeSpan.FromMinutes(30);
        options.ConnectTimeout = TimeSpan.FromMilliseconds(999);
        options.CommandTimeout = TimeSpan.FromMilliseconds(300_001);
        options.MaxMessageBytes = 63;
        options.MaxJobNameBytes = 2_601;
        options.MaxBufferedEvents = 15;
        options.MaxLogLines = -1;
        options.SpoolDirectory = " ";
        options.Schema = new string('x', 64);
        options.SideSchema = "";
    }
}
