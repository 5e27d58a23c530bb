using Npgsql;
using OmniPg.Testing;

namespace OmniPg.Wal.Tests.Synch;

/// <summary>Folders that are somebody else's, or at work.</summary>
public sealed partial class ClusterCopyTests
{
    [Fact]
    public async Task A_folder_within_a_clusters_files_under_another_name_is_refused()
    {
        var link = scene.Fresh("link");
        Directory.CreateSymbolicLink(link, scene.Server.DataDirectory);
        var options = Mapped(out _);

        foreach (var folder in (string[])[Path.Combine(link, "copy"), Path.Combine(link, "base", "copy")])
        {
            options.Targets = [folder];
            var plan = await new ClusterCopy(scene.Server.DataSource, options).PlanAsync(Token);
            plan.Problems.Should().Equal($"'{folder}' lies within the files of a cluster");
        }
    }

    [Fact]
    public async Task A_tablespace_that_another_copy_has_marked_is_not_emptied()
    {
        using var scripts = new TemporaryDirectory();
        var options = Mapped(out var to);
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), "shift; case \"$*\" in *'tar -xpf'*base.tar) exit 3;; esac; exec /bin/sh -c \"$*\"");
        await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>();
        var space = options.TablespaceMap[0].Value;

        // Its data directory may hold a server by now.
        var other = Options(scene.Fresh("copy"));
        (other.TablespaceMap, other.Overwrite) = (options.TablespaceMap, true);
        var plan = await new ClusterCopy(scene.Server.DataSource, other).PlanAsync(Token);

        Directory.GetDirectories(space, "PG_*").Should().NotBeEmpty();
        plan.Problems.Should().Equal($"'{space}' is not empty, and holds nothing that a copy would replace");
    }

    [Fact]
    public async Task A_copy_that_is_at_work_is_not_overwritten()
    {
        using var scripts = new TemporaryDirectory();
        var hold = scripts.Combine("hold");
        await File.WriteAllTextAsync(hold, "", Token);
        TestScript.Write(Path.Combine(Directory.CreateDirectory(scripts.Combine("bin")).FullName, "tar"), $"touch '{hold}.reached'; while [ -f '{hold}' ]; do sleep 0.05; done; PATH=${{PATH#*:}}; exec tar \"$@\"");
        var options = Mapped(out var to);
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; case \"$*\" in *'tar -xpf'*base.tar) PATH='{scripts.Combine("bin")}':$PATH;; esac; exec /bin/sh -c \"$*\"");
        var copying = CopyAsync(options);
        await Eventually.TrueAsync(() => File.Exists(hold + ".reached"), "the data directory is being sent", TimeSpan.FromSeconds(60), Token);

        var other = Options($"db.example:{to}");
        (other.RemoteShell, other.TablespaceMap, other.Overwrite) = (options.RemoteShell, options.TablespaceMap, true);
        var second = await new ClusterCopy(scene.Server.DataSource, other).PlanAsync(Token);
        File.Delete(hold);
        var plan = await copying;

        second.Problems.Should().Equal($"'db.example:{to}' holds a copy that is still at work");
        await RequireServerAsync(plan);
    }

    [Fact]
    public async Task A_copy_in_which_another_file_system_is_mounted_is_not_emptied()
    {
        using var mounts = MountNamespace.TryCreate();
        Assert.SkipWhen(mounts is null, "This process may not mount a file system.");
        using var scripts = new TemporaryDirectory();
        var options = Mapped(out var to);
        options.TablespaceMap = [Rule(scene.Tablespace, scene.Fresh("space it's %f"))];
        await CopyAsync(options);
        foreach (var folder in (string[])[Path.Combine(to, "pg_wal"), Path.Combine(Directory.GetDirectories(options.TablespaceMap[0].Value, "PG_*")[0], "ä b")])
            mounts.MountTmpfs(Directory.CreateDirectory(folder).FullName, 1 << 20);
        var words = mounts.Enter(new System.Diagnostics.ProcessStartInfo("/bin/sh", ["-c"]));
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; exec {words.FileName} {string.Join(' ', words.ArgumentList)} \"$*\"");
        (options.Targets, options.Overwrite) = ([$"db.example:{to}"], true);

        var plan = await new ClusterCopy(scene.Server.DataSource, options).PlanAsync(Token);

        plan.Problems.Should().Equal(plan.Targets[0].Folders.Select(f => $"'db.example:{f.To}' has another file system mounted below it, whose files are none of its own"));
    }

    [Fact]
    public async Task A_copy_by_a_session_of_another_database_counts_too()
    {
        var options = Mapped(out var to);
        var elsewhere = new NpgsqlConnectionStringBuilder(scene.Server.ConnectionString) { Database = "template1", Pooling = false };
        await using (var other = new NpgsqlConnection(elsewhere.ConnectionString))
        {
            await other.OpenAsync(Token);
            await using var hold = other.CreateCommand();
            hold.CommandText = "SELECT pg_advisory_lock(8030031580510121571)";
            await hold.ExecuteNonQueryAsync(Token);

            (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which.Message.Should().Contain("Another copy of system");
            // A session ends some time after its connection.
            hold.CommandText = "SELECT pg_advisory_unlock_all()";
            await hold.ExecuteNonQueryAsync(Token);
        }

        Directory.Exists(to).Should().BeFalse();
    }

    [Fact]
    public async Task A_second_copy_of_a_server_waits_for_nobody()
    {
        var options = Mapped(out var to);
        await using var other = await scene.Server.DataSource.OpenConnectionAsync(Token);
        await using (var hold = other.CreateCommand())
        {
            hold.CommandText = "SELECT pg_advisory_lock(8030031580510121571)";
            await hold.ExecuteNonQueryAsync(Token);
        }

        var refusal = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;
        await using (var release = other.CreateCommand())
        {
            release.CommandText = "SELECT pg_advisory_unlock_all()";
            await release.ExecuteNonQueryAsync(Token);
        }

        await CopyAsync(options);

        refusal.Message.Should().Contain("Another copy of system");
        (await scene.Server.ScalarAsync<long>("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'", Token)).Should().Be(0);
        File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeTrue();
    }

    [Fact]
    public async Task What_changes_between_the_plan_and_its_execution_is_left_alone()
    {
        var options = Mapped(out var to);
        options.Overwrite = true;
        var copy = new ClusterCopy(scene.Server.DataSource, options);
        var plan = await copy.PlanAsync(Token);
        var file = Path.Combine(Directory.CreateDirectory(to).FullName, "precious");
        await File.WriteAllTextAsync(file, "x", Token);

        var refusal = (await copy.Awaiting(c => c.ExecuteAsync(plan, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        refusal.Message.Should().Contain(to).And.Contain("which it was not when the copy was planned");
        (await File.ReadAllTextAsync(file, Token)).Should().Be("x");
    }

    [Fact]
    public async Task The_servers_own_tablespace_under_another_name_is_recognised_and_stays()
    {
        var options = Mapped(out var to);
        var plan = await CopyAsync(options);
        var link = scene.Fresh("link");
        Directory.CreateSymbolicLink(link, scene.Tablespace);
        var space = Path.Combine(to, "pg_tblspc", $"{plan.Targets[0].Folders[1].Tablespace}");
        File.Delete(space);
        Directory.CreateSymbolicLink(space, link);
        options.TablespaceMap = [Rule(scene.Tablespace, link)];
        options.Overwrite = true;
        var before = Directory.GetFileSystemEntries(scene.Tablespace, "*", SearchOption.AllDirectories);

        var copy = new ClusterCopy(scene.Server.DataSource, options);
        var doomed = await copy.PlanAsync(Token);
        var refusal = (await copy.Awaiting(c => c.ExecuteAsync(doomed, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        doomed.Problems.Should().BeEmpty();
        (refusal.Code, refusal.Message).Should().Match<(string Code, string Message)>(r => r.Code == "wal.backup.target" && r.Message.Contains($"'{scene.Tablespace}'", StringComparison.Ordinal));
        Directory.GetFileSystemEntries(scene.Tablespace, "*", SearchOption.AllDirectories).Should().BeEquivalentTo(before);
        File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeTrue("nothing was removed anywhere");
        (await scene.Server.ScalarAsync<long>("SELECT count(*) FROM far", Token)).Should().Be(1000);
    }
}
