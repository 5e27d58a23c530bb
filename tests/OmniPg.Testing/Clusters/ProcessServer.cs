using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace OmniPg.Testing;

/// <summary>A server process on this machine with its own directory, port and log.</summary>
internal sealed class ProcessServer : IPgServer
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(60);
    private readonly PgClusterOptions _options;
    private readonly ServerLog _log;
    private readonly ReservedPort _port = new();
    private ServerProcess? _process;

    private ProcessServer(PgInstallation installation, PgClusterOptions options, string root)
    {
        (Installation, _options, Root) = (installation, options, root);
        DataDirectory = options.ExistingDataDirectory ?? Path.Combine(root, "data");
        _log = new ServerLog(Path.Combine(root, "server.log"));
    }

    public PgInstallation Installation { get; }

    public string Root { get; }

    public string DataDirectory { get; }

    public string LogFile => _log.Path;

    public int Port => _port.Number;

    public int ProcessId => _process?.Id ?? throw new InvalidOperationException("The server does not run.");

    public bool IsRunning => _process is { HasExited: false };

    public ProcessServer Process => this;

    public string ConnectionString => new NpgsqlConnectionStringBuilder
    {
        Host = "127.0.0.1",
        Port = Port,
        Username = "postgres",
        Password = _options.Password,
        Database = "postgres",
        PersistSecurityInfo = true,
        IncludeErrorDetail = true,
        Timeout = 15,
    }.ConnectionString;

    public static async Task<ProcessServer> StartAsync(PgInstallation installation, PgClusterOptions options, CancellationToken cancellationToken)
    {
        var root = Path.Combine(options.ParentDirectory ?? DefaultParent(), "omnipg-" + Path.GetRandomFileName().Replace(".", "", StringComparison.Ordinal));
        Directory.CreateDirectory(root);
        var server = new ProcessServer(installation, options, root);
        try
        {
            if (options.ExistingDataDirectory is null)
                await server.InitializeAsync(cancellationToken);
            ServerAccount.Own(root);
            await server.RunAsync(new Dictionary<string, string>(), cancellationToken);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts the server, on the same port if it ran before.</summary>
    public async Task RunAsync(IReadOnlyDictionary<string, string> extraSettings, CancellationToken cancellationToken)
    {
        var mark = _log.Length;
        _process = ServerProcess.Start(Installation.Program("postgres"), Arguments(extraSettings), DataDirectory, _log, _options.Mounts);
        if (!await AnswersAsync(_process, cancellationToken))
            throw new InvalidOperationException($"PostgreSQL {Installation.Major} did not start in '{DataDirectory}':\n{_log.Read(mark)}");
    }

    public async Task StopAsync(int signal, CancellationToken cancellationToken)
    {
        if (_process is not { } process)
            return;
        ServerAccount.Signal(process.Id, signal);
        await process.WaitAsync(cancellationToken);
        _process = null;
    }

    public void KillHard()
    {
        if (_process is not { } process)
            return;
        process.KillTree();
        _process = null;
    }

    public async Task WaitForExitAsync(CancellationToken cancellationToken)
    {
        if (_process is { } process)
            await process.WaitAsync(cancellationToken);
        _process = null;
    }

    public string ReadLog() => _log.Read(0);

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
            await StopAsync(PgShutdownSignal.Immediate, CancellationToken.None);
        _port.Dispose();
        _log.Dispose();
        Directory.Delete(Root, recursive: true);
        if (_options.ExistingDataDirectory is { } data && Directory.Exists(data))
            Directory.Delete(data, recursive: true);
    }

    /// <summary>Memory when there is enough of it, else the folder for temporary files.</summary>
    public static string DefaultParent()
    {
        const string memory = "/dev/shm";
        return OperatingSystem.IsLinux() && Directory.Exists(memory) && new DriveInfo(memory) is { DriveFormat: "tmpfs", AvailableFreeSpace: > 1L << 30 }
            ? memory
            : Path.GetTempPath();
    }

    private async Task InitializeAsync(CancellationToken cancellationToken)
    {
        ServerAccount.Own(Root);
        List<string> arguments = ["-U", "postgres", "-N", "-E", "UTF8", "--locale=C.UTF-8", .. _options.InitDbArguments];
        if (_options.Password is not { } password)
        {
            await DataDirectoryTemplate.CopyAsync(Installation, [.. arguments, "--auth=trust"], DataDirectory);
            return;
        }
        var file = Path.Combine(Root, "password");
        await File.WriteAllTextAsync(file, password, cancellationToken);
        ServerAccount.Own(file);
        var result = await ServerProgram.RunAsync(
            Installation.Program("initdb"), ["-D", DataDirectory, .. arguments, "--auth=scram-sha-256", "--pwfile=" + file], Root, cancellationToken);
        if (result.ExitCode != 0)
            throw new InvalidOperationException($"initdb of PostgreSQL {Installation.Major} failed: {result.Error}");
    }

    private List<string> Arguments(IReadOnlyDictionary<string, string> extraSettings)
    {
        var settings = _options.ServerSettings();
        settings["listen_addresses"] = "127.0.0.1";
        settings["unix_socket_directories"] = Root;
        foreach (var (name, value) in extraSettings)
            settings[name] = value;
        List<string> arguments = ["-D", DataDirectory, "-p", Port.ToString(CultureInfo.InvariantCulture)];
        foreach (var (name, value) in settings)
            arguments.AddRange(["-c", $"{name}={value}"]);
        return arguments;
    }

    private async Task<bool> AnswersAsync(ServerProcess process, CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        while (!process.HasExited)
        {
            try
            {
                await using var connection = new NpgsqlConnection(ConnectionString + ";Pooling=false;Timeout=5");
                await connection.OpenAsync(cancellationToken);
                return true;
            }
            catch (NpgsqlException) when (clock.Elapsed < StartLimit)
            {
                await Task.Delay(20, cancellationToken);
            }
        }
        return false;
    }
}
