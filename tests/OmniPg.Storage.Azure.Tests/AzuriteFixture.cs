using System.Diagnostics;
using Azure.Storage.Blobs;
using OmniPg.Testing;

namespace OmniPg.Storage.Azure.Tests;

/// <summary>The emulator <c>azurite-blob</c> on a free port: from <c>OMNIPG_AZURITE</c>, or from PATH. Without it the tests skip.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    // Name and key of the emulator's only account, the same everywhere ("Use the Azurite emulator", Microsoft Learn).
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    public const string Container = "omnipg";

    private readonly TemporaryDirectory _directory = new();
    private Process? _process;
    private ReservedPort? _port;
    private int _stores;

    /// <summary>Connection string of the account.</summary>
    public string Connection { get; private set; } = "";

    /// <summary>Every store goes through it.</summary>
    public FaultProxy Proxy { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        if (Program() is not { } program)
            return;
        _port = new ReservedPort();
        var start = new ProcessStartInfo(program, ["--blobHost", "127.0.0.1", "--blobPort", $"{_port.Number}", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _directory.Path,
        };
        _process = Process.Start(start)!;
        _process.OutputDataReceived += static (_, _) => { };
        _process.ErrorDataReceived += static (_, _) => { };
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
        Proxy = await FaultProxy.StartAsync(new Uri($"http://127.0.0.1:{_port.Number}"));
        Connection = $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};BlobEndpoint={Proxy.Url}{Account};";
        var container = new BlobContainerClient(Connection, Container);
        await Eventually.TrueAsync(async () =>
        {
            try
            {
                await container.CreateIfNotExistsAsync();
                return true;
            }
            catch (Exception e) when (e is global::Azure.RequestFailedException or AggregateException)
            {
                return false;
            }
        }, "the emulator answers");
    }

    public async ValueTask DisposeAsync()
    {
        if (Proxy is not null)
            await Proxy.DisposeAsync();
        if (_process is { } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }

        _port?.Dispose();
        _directory.Dispose();
    }

    public AzureBlobStore Store(Action<AzureBlobStoreOptions>? change = null)
    {
        var prefix = NewPrefix();
        Proxy.Fault = static _ => null;
        var options = new AzureBlobStoreOptions { Container = Container, ConnectionString = Connection, Prefix = prefix, MaxRetries = 1 };
        change?.Invoke(options);
        return new AzureBlobStore(options);
    }

    /// <summary>Every kind of request that a store makes.</summary>
    public static Func<Task>[] RequestsOf(AzureBlobStore store, string key, CancellationToken cancellationToken) =>
    [
        () => store.IdentifyAsync(cancellationToken),
        () => store.StatAsync(key, cancellationToken),
        () => store.OpenReadAsync(key, cancellationToken),
        () => store.ListAsync("", cancellationToken).ToListAsync(cancellationToken).AsTask(),
        () => store.ListAsync("", 0, cancellationToken).ToListAsync(cancellationToken).AsTask(),
        () => store.PutAsync(key, "content"u8.ToArray(), cancellationToken),
        () => store.DeleteAsync(key, cancellationToken),
    ];

    /// <summary>A prefix that nobody has used. Skips the test where the emulator is not at hand.</summary>
    public string NewPrefix()
    {
        Assert.SkipWhen(_process is null, "azurite-blob is not at hand (npm install azurite; OMNIPG_AZURITE names the program)");
        return $"test-{Interlocked.Increment(ref _stores)}";
    }

    private static string? Program() => Environment.GetEnvironmentVariable("OMNIPG_AZURITE") is { Length: > 0 } named
        ? named
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "azurite-blob")).FirstOrDefault(File.Exists);
}
