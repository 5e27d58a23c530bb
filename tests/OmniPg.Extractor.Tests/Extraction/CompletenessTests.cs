using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Extractor.Tests.Extraction;

public sealed class CompletenessTests(PgClusterFixture fixture)
{
    [Fact]
    public async Task Hidden_options_of_user_mappings_make_the_extraction_incomplete()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = "blind_" + database.Name;
        await database.ExecuteAsync($"""
            CREATE ROLE {role} LOGIN;
            CREATE EXTENSION postgres_fdw;
            CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw;
            CREATE USER MAPPING FOR PUBLIC SERVER far OPTIONS (user 'u', password 'p');
            CREATE USER MAPPING FOR {role} SERVER far OPTIONS (user 'v');
            """, TestContext.Current.CancellationToken);
        await using var blind = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(database.Name, role));

        var all = await work.ExtractAsync(database.DataSource, "all");
        var report = await work.ExtractAsync(blind, "hidden");
        var unasked = await work.Extractor.From(PgDumpSource.FromConnectionString(blind.ConnectionString)).RunAsync(work.Path("unasked"), cancellationToken: TestContext.Current.CancellationToken);
        var required = () => work.ExtractAsync(blind, "required", o => o.RequireComplete = true);
        var snapshot = () => work.Extractor.From(blind).ToSnapshotAsync(new ExtractionOptions { RequireComplete = true }, cancellationToken: TestContext.Current.CancellationToken);
        var elsewhere = await work.ExtractAsync(blind, "elsewhere", o => o.Kinds = ObjectKinds.Servers);

        all.IsComplete.Should().BeTrue();
        all.DumpWarnings.Where(static w => w.MeansMissing).Should().BeEmpty();
        report.IsComplete.Should().BeFalse();
        var warning = report.DumpWarnings.Should().ContainSingle(static w => w.Kind == PgDumpWarningKind.UserMappingsHidden).Which;
        warning.Message.Should().Be("The user may not see the options of 2 user mappings; they are written without:");
        warning.Details.Should().Equal($"{role} on far", "public on far");
        unasked.IsComplete.Should().BeFalse();
        (await required.Should().ThrowAsync<IncompleteExtractionException>()).Which.Warnings.Should().ContainMatch("*user mappings*");
        await snapshot.Should().ThrowAsync<IncompleteExtractionException>();
        Directory.Exists(work.Path("required")).Should().BeFalse();
        elsewhere.IsComplete.Should().BeTrue();
        await database.ExecuteAsync($"DROP USER MAPPING FOR {role} SERVER far; DROP ROLE {role}", TestContext.Current.CancellationToken);
    }

    [Fact]
    public async Task Visible_mappings_without_options_are_complete()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE EXTENSION postgres_fdw; CREATE SERVER far FOREIGN DATA WRAPPER postgres_fdw; CREATE USER MAPPING FOR PUBLIC SERVER far", TestContext.Current.CancellationToken);

        (await work.ExtractAsync(database.DataSource, "tree", o => o.RequireComplete = true)).IsComplete.Should().BeTrue();
    }

    [Fact]
    public async Task Skipped_subscriptions_are_typed()
    {
        using var work = new ExtractionCase();
        await using var database = await fixture.Cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken);
        var role = "plain_" + database.Name;
        await database.ExecuteAsync($"CREATE ROLE {role} LOGIN", TestContext.Current.CancellationToken);
        await database.ExecuteAsync("CREATE SUBSCRIPTION s CONNECTION 'host=h' PUBLICATION p WITH (connect = false, enabled = false, slot_name = NONE)", TestContext.Current.CancellationToken);
        await using var plain = NpgsqlDataSource.Create(fixture.Cluster.GetConnectionString(database.Name, role));

        var report = await work.ExtractAsync(plain, "tree");

        report.IsComplete.Should().BeFalse();
        report.DumpWarnings.Select(static w => w.Kind).Should().Equal(PgDumpWarningKind.SubscriptionsSkipped);
        await database.ExecuteAsync($"DROP SUBSCRIPTION s; DROP ROLE {role}", TestContext.Current.CancellationToken);
    }
}
