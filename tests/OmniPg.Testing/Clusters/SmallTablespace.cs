using System.Globalization;
using Npgsql;

namespace OmniPg.Testing;

/// <summary>A tablespace on a small file system of its own: the disk of a server that fills up. Dropped with the mount.</summary>
public sealed class SmallTablespace : IAsyncDisposable
{
    private readonly PgCluster _cluster;
    private readonly TmpfsMount _mount;

    private SmallTablespace(PgCluster cluster, TmpfsMount mount, string name) => (_cluster, _mount, Name) = (cluster, mount, name);

    /// <summary>The tablespace's name, safe in SQL as it is.</summary>
    public string Name { get; }

    private string Reserve => Path.Combine(_mount.Path, "reserve");

    /// <summary>Makes one of <paramref name="bytes"/>, if this process may mount.</summary>
    /// <returns>The tablespace, or <see langword="null"/> when mounting is not permitted here.</returns>
    public static async Task<SmallTablespace?> TryCreateAsync(PgCluster cluster, long bytes, CancellationToken cancellationToken)
    {
        var mount = TmpfsMount.TryCreate(bytes);
        if (mount is null)
            return null;
        try
        {
            var folder = Directory.CreateDirectory(Path.Combine(mount.Path, "space")).FullName;
            ServerAccount.Own(folder);
            var name = string.Create(CultureInfo.InvariantCulture, $"small_{Guid.NewGuid():n}");
            await cluster.ExecuteAsync($"CREATE TABLESPACE {name} LOCATION '{folder}'", cancellationToken);
            return new SmallTablespace(cluster, mount, name);
        }
        catch
        {
            mount.Dispose();
            throw;
        }
    }

    /// <summary>Takes all the room but <paramref name="left"/> bytes.</summary>
    public void Fill(long left) => Take(new DriveInfo(_mount.Path).AvailableFreeSpace - left);

    /// <summary>Takes <paramref name="bytes"/> of the room.</summary>
    public void Take(long bytes)
    {
        using var file = File.Create(Reserve);
        file.Write(new byte[bytes]);
    }

    /// <summary>Gives back what was taken: the room that who finds a full disk makes.</summary>
    public void Free() => File.Delete(Reserve);

    /// <summary>Waits until nothing is on it (drop what is first).</summary>
    public async ValueTask DisposeAsync()
    {
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    await _cluster.ExecuteAsync($"DROP TABLESPACE {Name}", CancellationToken.None);
                    return true;
                }
                catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.ObjectNotInPrerequisiteState)
                {
                    // Files of a relation that was dropped stay until the next checkpoint.
                    await _cluster.ExecuteAsync("CHECKPOINT", CancellationToken.None);
                    return false;
                }
            },
            "the tablespace is empty", cancellationToken: CancellationToken.None);
        _mount.Dispose();
    }
}
