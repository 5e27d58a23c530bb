using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Azure.Storage.Blobs;
using OmniPg.Testing;

namespace OmniPg.Storage.Azure.Tests;

/// <summary>The emulator <c>azurite-blob</c> on a free port: from <c>OMNIPG_AZURITE</c>, or from PATH. Without it the tests skip.</summary>
public sealed class AzuriteFixture : IAsyncLifetime
{
    // Name and key of the emulator's only account, the same everywhere ("Use the Azurite emulator", Microsoft Learn).
    private const string Account = "devstoreaccount1";
    private const string Key = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
    private const string Container = "omnipg";

    private readonly TemporaryDirectory _directory = new();
    private Process? _process;
    private string _connection = "";
    private int _stores;

    public async ValueTask InitializeAsync()
    {
        if (Program() is not { } program)
            return;
        var port = FreePort();
        var start = new ProcessStartInfo(program, ["--blobHost", "127.0.0.1", "--blobPort", $"{port}", "--inMemoryPersistence", "--skipApiVersionCheck", "--silent"])
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
        _connection = $"DefaultEndpointsProtocol=http;AccountName={Account};AccountKey={Key};BlobEndpoint=http://127.0.0.1:{port}/{Account};";
        var container = new BlobContainerClient(_connection, Container);
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
        if (_process is { } process)
        {
            process.Kill(entireProcessTree: true);
            await process.WaitForExitAsync();
            process.Dispose();
        }

        _directory.Dispose();
    }

    public AzureBlobStore Store(Action<AzureBlobStoreOptions>? change = null)
    {
        Assert.SkipWhen(_process is null, "azurite-blob is not at hand (npm install azurite; OMNIPG_AZURITE names the program)");
        var options = new AzureBlobStoreOptions { Container = Container, ConnectionString = _connection, Prefix = $"test-{Interlocked.Increment(ref _stores)}", MaxRetries = 1 };
        change?.Invoke(options);
        return new AzureBlobStore(options);
    }

    private static string? Program() => Environment.GetEnvironmentVariable("OMNIPG_AZURITE") is { Length: > 0 } named
        ? named
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator).Select(folder => Path.Combine(folder, "azurite-blob")).FirstOrDefault(File.Exists);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
