using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>The scene of base backups on servers that summarize their WAL, by major version; each is made when it is first asked for.</summary>
public sealed class IncrementScenes : IAsyncLifetime
{
    private readonly Dictionary<int, BackupScene> _scenes = [];

    public ValueTask InitializeAsync() => ValueTask.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        foreach (var scene in _scenes.Values)
            await scene.DisposeAsync();
    }

    public async Task<BackupScene> GetAsync(int major)
    {
        if (_scenes.TryGetValue(major, out var scene))
            return scene;
        var installation = PgInstallations.FromEnvironment().FirstOrDefault(i => i.Major == major) ?? await PgInstallations.TryGetAsync(major, BackupScene.Token);
        Assert.SkipWhen(installation is null, $"PostgreSQL {major} is not installed and cannot be fetched.");
        _scenes.Add(major, scene = new BackupScene { Installation = installation });
        await scene.InitializeAsync();
        // Not on its command line, where a test could not change it.
        await SetAsync(scene, "on");
        return scene;
    }

    public static async Task SetAsync(BackupScene scene, string value)
    {
        await scene.Server.ExecuteAsync($"ALTER SYSTEM SET summarize_wal = {value}", BackupScene.Token);
        await scene.Server.ExecuteAsync("SELECT pg_reload_conf()", BackupScene.Token);
        await Eventually.TrueAsync(() => scene.Server.ScalarAsync<bool>($"SELECT current_setting('summarize_wal') = '{value}'", BackupScene.Token), "the setting counts", TimeSpan.FromSeconds(30), BackupScene.Token);
    }
}
