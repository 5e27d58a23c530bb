using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Options;
using OmniPg.Testing;

namespace OmniPg.Partman.Tests.Hosting;

public sealed class HostTests(PgClusterFixture fixture) : PartmanTest(fixture)
{
    [Fact]
    public async Task A_scheduled_round_makes_partitions_and_the_health_check_sees_what_is_wrong()
    {
        await IdTableAsync();
        await Partman.CreateAsync(Events, Tens(o => o.DefaultPartition = true), Token);
        await Run("INSERT INTO events VALUES (25)");
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton(Database.DataSource);
        builder.Services.AddOmniPgPartman().AddScheduler(TimeSpan.FromHours(1));
        builder.Services.AddHealthChecks().AddOmniPgPartman();
        using var host = builder.Build();
        var health = host.Services.GetRequiredService<HealthCheckService>();
        var before = await health.CheckHealthAsync(Token);

        await host.StartAsync(Token);
        await Eventually.TrueAsync(async () => (await NamesAsync()).Contains("events_p60"), "the round", cancellationToken: Token);
        await host.StopAsync(Token);

        before.Status.Should().Be(HealthStatus.Degraded);
        before.Entries["omnipg-partman"].Data["public.events"].Should().Be("'public.events' has 2 of 4 partitions ahead of '25'.");
        (await health.CheckHealthAsync(Token)).Status.Should().Be(HealthStatus.Healthy);
    }

    [Fact]
    public async Task Options_that_cannot_work_are_told_together_by_client_and_host()
    {
        var wrong = new PartmanOptions { LockAttempts = 0, MaxPartitionsPerRun = 0, Schema = "" };
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton(Database.DataSource);
        builder.Services.AddOmniPgPartman(o => (o.LockAttempts, o.MaxPartitionsPerRun, o.Schema) = (0, 0, ""));
        using var host = builder.Build();

        var client = FluentActions.Invoking(() => new PartmanClient(Database.DataSource, wrong)).Should().Throw<OptionsValidationException>().Which;
        var start = (await FluentActions.Awaiting(() => host.StartAsync(Token)).Should().ThrowAsync<OptionsValidationException>()).Which;

        client.Failures.Should().HaveCountGreaterThanOrEqualTo(3);
        start.Failures.Should().Equal(client.Failures);
    }

    [Fact]
    public async Task Sets_of_a_configuration_are_there_when_the_host_has_started_and_again_changes_nothing()
    {
        await IdTableAsync();
        const string Counted = "SELECT count(*) || ' ' || (SELECT max(xmin::text::int8) FROM omnipg_partman.part_config) FROM pg_class";
        async Task StartAsync(params (string Name, string Value)[] more)
        {
            var builder = Host.CreateApplicationBuilder();
            builder.Configuration.AddInMemoryCollection(
                [.. new[] { ("public.events:Control", "id"), ("public.events:IdInterval", "10"), ("public.events:Premake", "1") }.Concat(more).ToDictionary(p => "Partitions:" + p.Item1, string? (p) => p.Item2)]);
            builder.Services.AddSingleton(Database.DataSource);
            builder.Services.AddOmniPgPartman().AddSets(builder.Configuration.GetSection("Partitions"));
            using var host = builder.Build();
            await host.StartAsync(Token);
            await host.StopAsync(Token);
        }

        await StartAsync();
        var (names, before) = (await NamesAsync(), await Ask<string>(Counted));
        await StartAsync();
        var again = await Ask<string>(Counted);
        await StartAsync(("public.events:IdRetention", "100"));
        var wrong = (await FluentActions.Awaiting(() => StartAsync(("public.events:IdRetention", "0"), ("public.other:Nonsense", "1"))).Should().ThrowAsync<OptionsValidationException>()).Which;
        await FluentActions.Awaiting(() => StartAsync(("public.other:Control", "id"), ("public.other:IdInterval", "10"))).Should().ThrowAsync<InvalidPartitionDefinitionException>();

        names.Should().Equal("events_default", "events_p0", "events_p10");
        again.Should().Be(before);
        (await Partman.FindAsync(Events, Token))!.IdRetention.Should().Be(100);
        wrong.Failures.Should().HaveCount(2).And.Contain(f => f.StartsWith("'Partitions:public.events': IdRetention")).And.Contain("'Partitions:public.other': 'Nonsense' cannot be '1': A set has no such property.");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_host_that_finds_another_one_making_its_sets_looks_again(bool isBusy)
    {
        await IdTableAsync();
        if (!isBusy)
            await Run("CREATE TABLE half PARTITION OF events FOR VALUES FROM (100) TO (110)");
        var builder = Host.CreateApplicationBuilder();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?> { ["Partitions:public.events:Control"] = "id", ["Partitions:public.events:IdInterval"] = "10" });
        builder.Services.AddSingleton(Database.DataSource);
        builder.Services.AddOmniPgPartman().AddSets(builder.Configuration.GetSection("Partitions"));
        var plans = 0;
        var partman = System.Reflection.DispatchProxy.Create<IPartman, Hooked>();
        ((Hooked)partman).Inner = Partman;
        ((Hooked)partman).Before = method =>
        {
            if (method != nameof(IPartman.PlanSetsAsync))
                return;
            if (++plans == 1 && isBusy)
                throw new PartmanBusyException(Events, "another host");
            // By the next look the other one is through.
            if (plans == 2 && !isBusy)
                Sync("DROP TABLE half");
        };
        builder.Services.AddKeyedSingleton("", partman);
        using var host = builder.Build();

        await host.StartAsync(Token);
        await host.StopAsync(Token);

        plans.Should().Be(2);
        (await NamesAsync()).Should().Contain("events_p0");
    }

    [Fact]
    public async Task The_archive_of_a_host_is_that_of_its_client_and_no_other_store()
    {
        await DailyTableAsync();
        var builder = Host.CreateApplicationBuilder();
        builder.Services.AddSingleton(Database.DataSource);
        builder.Services.AddSingleton<IObjectStore>(new MemoryObjectStore("other"));
        builder.Services.AddOmniPgPartman().AddArchive(_ => new MemoryObjectStore("own"));
        builder.Services.AddOmniPgPartman("without");
        using var host = builder.Build();

        await host.Services.GetRequiredService<IPartman>().CreateAsync(Events, Daily(o => o.WhenExpired = ExpiredAction.Archive), Token);
        var without = () => host.Services.GetRequiredKeyedService<IPartman>("without").PlanCreateAsync(Events, Daily(o => o.WhenExpired = ExpiredAction.Archive), Token);

        (await Partman.FindAsync(Events, Token))!.ArchiveId.Should().Be("memory:own");
        (await without.Should().ThrowAsync<InvalidPartitionDefinitionException>()).Which.Reasons.Should().Contain(r => r.Reason == InvalidDefinitionReason.Archive);
    }

    [Fact]
    public async Task A_set_that_contradicts_itself_is_refused_before_anything_is_asked()
    {
        var options = new PartitionSetOptions { Control = "at", Interval = PgInterval.OfDays(1), IdInterval = 5, Premake = 0, WhenExpired = ExpiredAction.Move };

        var act = () => Partman.CreateAsync(Events, options, Token);

        (await act.Should().ThrowAsync<OptionsValidationException>()).Which.Failures.Should().HaveCount(3);
        await FluentActions.Awaiting(() => Partman.CreateAsync(QualifiedName.Parse("events"), Daily(), Token)).Should().ThrowAsync<ArgumentException>().WithMessage("Name the schema of 'events'*");
    }

    /// <summary>A client that somebody is told of before each call.</summary>
#pragma warning disable CA1852 // The proxy derives from it.
    internal class Hooked : System.Reflection.DispatchProxy
#pragma warning restore CA1852
    {
        public IPartman Inner { get; set; } = null!;

        public Action<string> Before { get; set; } = _ => { };

        protected override object? Invoke(System.Reflection.MethodInfo? targetMethod, object?[]? args)
        {
            Before(targetMethod!.Name);
            return targetMethod.Invoke(Inner, System.Reflection.BindingFlags.DoNotWrapExceptions, null, args, null);
        }
    }
}
