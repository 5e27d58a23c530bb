using OmniPg.Testing;

namespace OmniPg.Cli.Tests.Schema;

/// <summary>Runs the extraction commands in this process, with output caught.</summary>
internal sealed class SchemaCli : IDisposable
{
    private readonly TerminationSignals _signals = new();
    private readonly TemporaryDirectory _directory = new();
    private readonly string? _connection;

    public SchemaCli(string? connection) => _connection = connection;

    public string Out { get; private set; } = "";

    public string Error { get; private set; } = "";

    public string Path(string name) => System.IO.Path.Combine(_directory.Path, name);

    public async Task<int> RunAsync(params string[] arguments)
    {
        using var output = new StringWriter { NewLine = "\n" };
        using var error = new StringWriter { NewLine = "\n" };
        var host = new CliHost { Out = output, Error = error, IsTerminal = false, Variable = name => name == "OMNIPG_CONNECTION" ? _connection : null, Signals = _signals };
        var code = await Shell.RunAsync(arguments, host, TestContext.Current.CancellationToken);
        (Out, Error) = (output.ToString(), error.ToString());
        return code;
    }

    public void Dispose()
    {
        _signals.Dispose();
        _directory.Dispose();
    }
}
