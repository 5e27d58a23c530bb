using System.Text;
using OmniPg.Testing;

namespace OmniPg.Cli.Tests;

/// <summary>Runs the program inside the test process, as if its output went into a pipe.</summary>
internal sealed class CliRunner(TestDatabase? database) : IAsyncDisposable
{
    private readonly TerminationSignals _signals = new();

    /// <summary>Environment variables that the program sees; none by default.</summary>
    public Dictionary<string, string> Variables { get; } = new(StringComparer.Ordinal);

    public TestDatabase Database => database!;

    public static async Task<CliRunner> CreateAsync(PgCluster cluster, bool install = true)
    {
        var runner = new CliRunner(await cluster.CreateDatabaseAsync(cancellationToken: TestContext.Current.CancellationToken));
        runner.Variables["OMNIPG_CONNECTION"] = runner.Database.ConnectionString;
        if (install)
            (await runner.RunAsync("jobmon", "install")).ExitCode.Should().Be(0);
        return runner;
    }

    public Task<CliResult> RunAsync(params string[] args) => RunAsync(TestContext.Current.CancellationToken, args);

    /// <summary>The same, ended as by a signal.</summary>
    public async Task<CliResult> RunAsync(CancellationToken cancellationToken, params string[] args)
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        await using var outputText = new StreamWriter(output) { AutoFlush = true };
        await using var errorText = new StreamWriter(error) { AutoFlush = true };
        var host = new CliHost
        {
            Out = outputText, Error = errorText, OutStream = output, ErrorStream = error,
            IsTerminal = false, Signals = _signals, Variable = name => Variables.GetValueOrDefault(name),
        };
        var exitCode = await Shell.RunAsync(args, host, cancellationToken);
        return new CliResult(exitCode, Text(output), Text(error));
    }

    private static string Text(MemoryStream bytes) => Encoding.UTF8.GetString(bytes.ToArray()).ReplaceLineEndings("\n");

    public async ValueTask DisposeAsync()
    {
        _signals.Dispose();
        if (database is not null)
            await database.DisposeAsync();
    }
}
