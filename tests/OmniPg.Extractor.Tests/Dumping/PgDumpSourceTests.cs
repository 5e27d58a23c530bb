using Microsoft.Extensions.Options;

namespace OmniPg.Extractor.Tests.Dumping;

public sealed class PgDumpSourceTests
{
    private const string Pins = "-c standard_conforming_strings=on -c quote_all_identifiers=off -c bytea_output=hex -c xmlbinary=base64 -c lc_monetary=C"
        + " -c statement_timeout=0 -c lock_timeout=0 -c idle_in_transaction_session_timeout=0";

    [Theory]
    [InlineData("Host=db;Username=ann;Database=shop", "PGHOST=db PGPORT=5432 PGUSER=ann PGDATABASE=shop PGCONNECT_TIMEOUT=15")]
    [InlineData("Host=a:6001,b;Port=6000;Username=ann", "PGHOST=a,b PGPORT=6001,6000 PGUSER=ann PGDATABASE=ann PGCONNECT_TIMEOUT=15")]
    [InlineData("Host=/run/postgresql;Username=ann;Timeout=7", "PGHOST=/run/postgresql PGPORT=5432 PGUSER=ann PGDATABASE=ann PGCONNECT_TIMEOUT=7")]
    [InlineData("Host=[::1]:5433;Username=ann", "PGHOST=::1 PGPORT=5433 PGUSER=ann PGDATABASE=ann PGCONNECT_TIMEOUT=15")]
    [InlineData("Host=h;Username=u;SSL Mode=VerifyFull;Root Certificate=/c/root.pem;SSL Certificate=/c/c.pem;SSL Key=/c/k.pem", "PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=u PGSSLMODE=verify-full PGSSLROOTCERT=/c/root.pem PGSSLCERT=/c/c.pem PGSSLKEY=/c/k.pem PGCONNECT_TIMEOUT=15")]
    [InlineData("Host=h;Username=u;SSL Mode=VerifyCA;Options=-c geqo=off;Application Name=nightly;Target Session Attributes=prefer-standby;Passfile=/p", "PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=u PGSSLMODE=verify-ca PGOPTIONS=PINS -c geqo=off PGAPPNAME=nightly PGTARGETSESSIONATTRS=prefer-standby PGPASSFILE=/p PGCONNECT_TIMEOUT=15")]
    [InlineData("Host=h;Username=u;SSL Mode=Disable;Search Path=app", "PGHOST=h PGPORT=5432 PGUSER=u PGDATABASE=u PGSSLMODE=disable PGCONNECT_TIMEOUT=15")]
    public async Task Settings_become_variables_of_libpq(string connectionString, string expected)
    {
        var command = await CaptureAsync(PgDumpSource.FromConnectionString(connectionString));

        command.Environment
            .Where(variable => variable.Value is not null && variable.Key is not ("PGTZ" or "LC_ALL") && variable.Value != Pins && (variable.Key != "PGAPPNAME" || variable.Value != "OmniPg.Extractor"))
            .Select(variable => $"{variable.Key}={variable.Value}".Replace(Pins + " ", "PINS ", StringComparison.Ordinal))
            .Should().BeEquivalentTo(expected.Replace("PINS -c geqo", "PINS\u00a0-c\u00a0geqo", StringComparison.Ordinal).Split(' ').Select(text => text.Replace('\u00a0', ' ')));
    }

    [Fact]
    public async Task Zone_locale_name_and_encoding_are_pinned()
    {
        var command = await CaptureAsync(PgDumpSource.FromConnectionString("Host=h;Username=u"));

        command.Environment.Should().Contain("PGTZ", "UTC").And.Contain("LC_ALL", "C").And.Contain("PGAPPNAME", "OmniPg.Extractor");
        command.Environment.Should().Contain("LANGUAGE", null).And.Contain("PGCLIENTENCODING", null).And.Contain("PGSERVICE", null).And.Contain("PGHOSTADDR", null).And.Contain("PGOPTIONS", Pins);
        command.Arguments.Should().Equal("--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=30000", "--encoding=UTF8");
    }

    [Fact]
    public async Task A_password_goes_through_the_environment_only()
    {
        var source = PgDumpSource.FromConnectionString("Host=h;Username=u;Password=top-secret");

        var command = await CaptureAsync(source);

        command.Environment.Should().Contain("PGPASSWORD", "top-secret");
        command.ToString().Should().NotContain("top-secret");
        source.ToString().Should().Be("u@h/-");
    }

    [Fact]
    public async Task A_password_provider_is_asked_just_before_the_start()
    {
        var asked = 0;
        var source = PgDumpSource.FromConnectionString("Host=h;Username=u", _ => ValueTask.FromResult<string?>($"token {++asked}"));

        asked.Should().Be(0);
        (await CaptureAsync(source)).Environment.Should().Contain("PGPASSWORD", "token 1");
        (await CaptureAsync(source)).Environment.Should().Contain("PGPASSWORD", "token 2");
    }

    [Fact]
    public async Task Service_and_password_file_can_be_named()
    {
        var command = await CaptureAsync(PgDumpSource.FromEnvironment(), new PgDumpOptions { Service = "shop", PassFile = "/secret/pgpass", Encoding = null });

        command.Environment.Should().Contain("PGSERVICE", "shop").And.Contain("PGPASSFILE", "/secret/pgpass").And.NotContainKey("PGHOST");
        command.Arguments.Should().NotContain(argument => argument.StartsWith("--encoding", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Every_option_becomes_an_argument()
    {
        var options = new PgDumpOptions
        {
            DataFormat = DataFormat.ColumnInserts,
            RowsPerInsert = 100,
            OnConflictDoNothing = true,
            Schemas = ["app", "-x"],
            ExcludedSchemas = ["pg_temp*"],
            Tables = ["t"],
            ExcludedTables = ["\"T\""],
            ExcludedTableData = ["log"],
            LargeObjects = false,
            Snapshot = "00000003-1",
            LockTimeout = TimeSpan.FromSeconds(1.5),
            ExtraArguments = ["--no-sync"],
        };

        var command = await CaptureAsync(PgDumpSource.FromEnvironment(), options);

        command.Arguments.Should().Equal(
            "--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=1500", "--encoding=UTF8", "--snapshot=00000003-1",
            "--schema=app", "--schema=-x", "--exclude-schema=pg_temp*", "--table=t", "--exclude-table=\"T\"",
            "--column-inserts", "--rows-per-insert=100", "--on-conflict-do-nothing", "--no-blobs", "--exclude-table-data=log", "--no-sync");
    }

    [Theory]
    [InlineData("Host=h;SSL Password=x", "SSL Password")]
    [InlineData("Host=h;Check Certificate Revocation=true", "Check Certificate Revocation")]
    public void A_setting_without_counterpart_is_refused_by_name(string connectionString, string setting)
    {
        var act = () => PgDumpSource.FromConnectionString(connectionString);

        act.Should().Throw<ExtractorOptionException>().Which.Option.Should().Be(setting);
    }

    [Fact]
    public async Task Options_that_contradict_each_other_are_refused()
    {
        var inserts = () => CaptureAsync(PgDumpSource.FromEnvironment(), new PgDumpOptions { RowsPerInsert = 5 });
        var schema = () => CaptureAsync(PgDumpSource.FromEnvironment(), new PgDumpOptions { SchemaOnly = true, DataFormat = DataFormat.Inserts });
        var timeout = () => CaptureAsync(PgDumpSource.FromEnvironment(), new PgDumpOptions { LockTimeout = TimeSpan.Zero });

        await inserts.Should().ThrowAsync<OptionsValidationException>();
        await schema.Should().ThrowAsync<OptionsValidationException>();
        await timeout.Should().ThrowAsync<OptionsValidationException>();
    }

    private static async Task<ExternalProcessOptions> CaptureAsync(PgDumpSource source, PgDumpOptions? options = null)
    {
        var launcher = new CapturingLauncher();
        try
        {
            await using var run = await new PgDumpRunner(launcher: launcher).StartAsync(source, options, cancellationToken: TestContext.Current.CancellationToken);
        }
        catch (PgDumpFailedException)
        {
            // The launcher starts nothing; only the command counts.
        }
        return launcher.Command!;
    }

    private sealed class CapturingLauncher : IProcessLauncher
    {
        public ExternalProcessOptions? Command { get; private set; }

        public ValueTask<IExternalProcess> StartAsync(ExternalProcessOptions options, CancellationToken cancellationToken = default)
        {
            Command = options;
            return new ValueTask<IExternalProcess>(new EndedProcess());
        }
    }

    private sealed class EndedProcess : IExternalProcess
    {
        public Stream StandardInput => Stream.Null;

        public Stream StandardOutput => Stream.Null;

        public Task<ExternalProcessResult> WaitAsync(CancellationToken cancellationToken = default) => Task.FromResult(new ExternalProcessResult(1, "not started"));

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
