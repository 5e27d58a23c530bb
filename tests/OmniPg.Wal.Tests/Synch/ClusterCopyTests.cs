using OmniPg.Testing;
using OmniPg.Wal.Tests.Archiving;
using OmniPg.Wal.Tests.Backup;

namespace OmniPg.Wal.Tests.Synch;

/// <summary>Copies of a running server that become servers, and folders that are not touched.</summary>
[Collection(nameof(BackupCollection))]
public sealed partial class ClusterCopyTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task One_read_fills_a_folder_here_and_one_behind_the_remote_shell_and_both_become_servers()
    {
        using var host = new FakeRemoteHost();
        var (here, there) = (scene.Fresh("copy"), scene.Fresh("it's a $(touch x) \"copy\" ä"));
        var options = Options(here);
        options.TablespaceMap = [Rule(scene.Tablespace, scene.Fresh("space"))];
        var other = Options($"backup@db.example:{there}");
        other.RemoteShell = host.Shell;
        other.TablespaceMap = [Rule(scene.Tablespace, "/nowhere"), Rule("/nowhere", scene.Fresh("space 'ä' %f"))];

        foreach (var each in (ClusterCopyOptions[])[options, other])
        {
            var copy = new ClusterCopy(scene.Server.DataSource, each);
            var plan = await copy.PlanAsync(Token);
            Directory.Exists(plan.Targets[0].Folders[0].To).Should().BeFalse("a plan changes nothing");
            var result = await copy.ExecuteAsync(plan, cancellationToken: Token);

            plan.Problems.Should().BeEmpty();
            result.Locations.Should().Equal(each.Targets);
            await RequireServerAsync(plan);
        }

        host.Hosts.Should().OnlyContain(h => h == "backup@db.example");
    }

    [Fact]
    public async Task A_copy_is_accepted_by_pg_verifybackup_and_holds_what_the_stop_returned()
    {
        var options = Mapped(out var to);

        var plan = await CopyAsync(options);
        var verified = await scene.RunAsync("pg_verifybackup", to);

        verified.ExitCode.Should().Be(0, verified.Error);
        File.ReadAllText(Path.Combine(to, "backup_label")).Should().Contain("\nLABEL: omnipg-synch\n");
        var space = plan.Targets[0].Folders[1];
        File.ReadAllText(Path.Combine(to, "tablespace_map")).Should().Be($"{space.Tablespace} {space.To}\n");
        string[] absent = [".omnipg-synch", "postmaster.pid", "global/pg_control.omnipg-restoring"];
        absent.Should().OnlyContain(f => !File.Exists(Path.Combine(to, f)));
        File.Exists(Path.Combine(to, "standby.signal")).Should().BeTrue();
        new DirectoryInfo(to).UnixFileMode.Should().Be(new DirectoryInfo(scene.Server.DataDirectory).UnixFileMode);
    }

    [Fact]
    public async Task A_folder_that_is_not_empty_is_refused_unless_it_holds_a_stopped_copy_and_may_be_overwritten()
    {
        var options = Mapped(out var to);
        await CopyAsync(options);
        var stale = Path.Combine(to, "base", "stale");
        await File.WriteAllTextAsync(stale, "x", Token);

        var refused = await RefusedAsync(options);
        options.Overwrite = true;
        await File.WriteAllTextAsync(Path.Combine(to, "postmaster.pid"), "1", Token);
        var running = await RefusedAsync(options);
        File.Delete(Path.Combine(to, "postmaster.pid"));
        var stillThere = File.Exists(stale);
        var again = await CopyAsync(options);

        refused.Should().Contain($"'{to}' holds a cluster");
        running.Should().Contain("holds a server that runs");
        stillThere.Should().BeTrue();
        again.Targets[0].Folders.Should().OnlyContain(f => f.IsEmptied);
        again.ToString().Should().Contain("EVERYTHING THERE IS REMOVED");
        File.Exists(stale).Should().BeFalse();
        await RequireServerAsync(again);
    }

    [Theory]
    [InlineData("a stranger's files", "is not empty, and holds nothing that a copy would replace")]
    [InlineData("another cluster", "holds another cluster, with system '42'")]
    [InlineData("what another cluster's copy left", "holds what a copy of system '42' left")]
    [InlineData("a file", "is no folder")]
    [InlineData("no parent", "has no folder above it")]
    public async Task Nothing_but_a_copy_of_this_cluster_is_ever_overwritten(string what, string reason)
    {
        var options = Mapped(out var to);
        options.Overwrite = true;
        var kept = Path.Combine(to, "kept");
        if (what == "a file")
            await File.WriteAllTextAsync(kept = to, "x", Token);
        else if (what != "no parent")
            await File.WriteAllTextAsync(Path.Combine(Directory.CreateDirectory(to).FullName, "kept"), "x", Token);
        if (what == "another cluster")
        {
            Directory.CreateDirectory(Path.Combine(to, "global"));
            await File.WriteAllTextAsync(Path.Combine(to, "PG_VERSION"), "15\n", Token);
            await File.WriteAllBytesAsync(Path.Combine(to, "global", "pg_control"), [42, 0, 0, 0, 0, 0, 0, 0, 1], Token);
        }

        if (what == "what another cluster's copy left")
            await File.WriteAllTextAsync(Path.Combine(to, ".omnipg-synch"), "42 ab\n", Token);
        if (what == "no parent")
            options.Targets = [Path.Combine(to, "further")];

        (await RefusedAsync(options)).Should().Contain(reason);
        if (what != "no parent")
            (await File.ReadAllTextAsync(kept, Token)).Should().Be("x");
    }

    [Fact]
    public async Task A_tablespace_without_a_new_path_and_folders_within_each_other_are_refused()
    {
        var to = scene.Fresh("copy");

        var unmapped = await RefusedAsync(Options(to));
        var inside = await RefusedAsync(Options(Path.Combine(scene.Server.DataDirectory, "copy")));
        var twice = Mapped(out var first);
        twice.Targets = [first, first + "/"];
        var shared = await RefusedAsync(twice);

        unmapped.Should().Contain($"'{scene.Tablespace}' is, lies in, or holds another folder of the copy or of the server");
        inside.Should().Contain("is, lies in, or holds another folder");
        shared.Should().Contain("is, lies in, or holds another folder");
        Directory.Exists(to).Should().BeFalse();
    }

    [Fact]
    public async Task A_place_that_fails_is_told_in_its_own_words_and_is_copied_to_again_when_that_is_allowed()
    {
        using var scripts = new TemporaryDirectory();
        using var host = new FakeRemoteHost();
        var options = Mapped(out var to);
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), "shift; case \"$*\" in *'tar -xpf'*base.tar) head -c 2000000 >/dev/null; echo no room >&2; exit 3;; esac; exec /bin/sh -c \"$*\"");

        var failure = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;
        options.RemoteShell = host.Shell;
        var left = await RefusedAsync(options);
        options.Overwrite = true;
        var plan = await CopyAsync(options);

        (failure.Code, failure.Destination).Should().Be(("wal.backup.copy", $"db.example:{to}"));
        failure.Message.Should().Contain($"'1' of '1' places: 'db.example:{to}': ").And.Contain("no room").And.Contain("--overwrite");
        left.Should().Contain("holds what an earlier copy of this cluster left");
        await RequireServerAsync(plan);
    }

    [Theory]
    [InlineData("mv \"$1\" \"$old/\"", "base")]
    [InlineData("mv \"$data/global/pg_control$suffix\"", "global/pg_control.omnipg-restoring")]
    public async Task A_place_that_another_copy_has_taken_meanwhile_is_neither_emptied_nor_finished(string step, string left)
    {
        using var scripts = new TemporaryDirectory();
        var options = Mapped(out var to);
        await CopyAsync(options);
        (options.Targets, options.Overwrite) = ([$"db.example:{to}"], true);
        // As if this were the shell of a killed program, and the next copy had begun.
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; case \"$*\" in *'{step}'*) echo another >'{to}/.omnipg-synch';; esac; exec /bin/sh -c \"$*\"");

        var failure = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Message.Should().Contain($"another copy has begun there: {to}");
        Path.Exists(Path.Combine(to, left)).Should().BeTrue();
        (await File.ReadAllTextAsync(Path.Combine(to, ".omnipg-synch"), Token)).Should().Be("another\n");
        if (left != "base")
            File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeFalse();
    }

    [Fact]
    public async Task One_read_fills_all_places_and_one_that_fails_keeps_no_other_from_becoming_complete()
    {
        await using var server = await PgCluster.StartAsync(new PgClusterOptions { InitDbArguments = ["--wal-segsize=1"] }, Token);
        await server.ExecuteAsync("CREATE TABLE t AS SELECT generate_series(1, 1000) i", Token);
        using var scripts = new TemporaryDirectory();
        var (bad, good, here) = (scene.Fresh("bad"), scene.Fresh("good"), scene.Fresh("here"));
        var options = new ClusterCopyOptions { Targets = [$"bad:{bad}", $"good:{good}", here] };
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), "host=$1; shift; case \"$host $*\" in bad*'tar -xpf'*) echo no room >&2; exit 3;; esac; exec /bin/sh -c \"$*\"");

        var copy = new ClusterCopy(server.DataSource, options);
        var plan = await copy.PlanAsync(Token);
        var failure = (await copy.Awaiting(c => c.ExecuteAsync(plan, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Message.Should().Contain($"'1' of '3' places: 'bad:{bad}': ").And.Contain("no room").And.Contain($"Complete: 'good:{good}', '{here}'.");
        (File.Exists(Path.Combine(bad, "global", "pg_control")), File.Exists(Path.Combine(bad, ".omnipg-synch"))).Should().Be((false, true));
        foreach (var folder in (string[])[good, here])
        {
            await using var started = await PgCluster.StartAsync(new PgClusterOptions { ExistingDataDirectory = folder }, Token);
            (await started.ScalarAsync<long>("SELECT count(*) FROM t", Token)).Should().Be(1000);
        }
    }

    [Fact]
    public async Task A_data_directory_behind_a_link_belongs_to_its_owner_and_not_to_that_of_the_link()
    {
        Assert.SkipWhen(ServerAccount.Name is null, "Only root keeps owners.");
        var options = Mapped(out var to);
        Directory.CreateSymbolicLink(options.DataDirectory = scene.Fresh("link"), scene.Server.DataDirectory);

        await CopyAsync(options);

        using var stat = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%U", to, Path.Combine(to, "backup_label"), Path.Combine(to, "global", "pg_control")]) { RedirectStandardOutput = true })!;
        (await stat.StandardOutput.ReadToEndAsync(Token)).Should().Be(string.Concat(Enumerable.Repeat(ServerAccount.Name + "\n", 3)));
        new DirectoryInfo(to).UnixFileMode.Should().Be(new DirectoryInfo(scene.Server.DataDirectory).UnixFileMode);
    }

    [Fact]
    public async Task A_place_that_cannot_flush_what_it_got_is_not_complete()
    {
        using var scripts = new TemporaryDirectory();
        TestScript.Write(Path.Combine(Directory.CreateDirectory(scripts.Combine("bin")).FullName, "sync"), "[ \"$*\" = --help ] && exec echo '  -f  flush'; echo 'Input/output error' >&2; exit 1");
        var options = Mapped(out var to);
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; case \"$*\" in *'ln -s'*) PATH='{scripts.Combine("bin")}':$PATH;; esac; exec /bin/sh -c \"$*\"");

        var failure = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Message.Should().Contain("Input/output error").And.Contain("no cluster that a server would start");
        File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeFalse();
    }

    [Fact]
    public async Task A_place_that_fails_after_the_control_file_has_its_name_is_told_as_one_on_which_a_server_may_start()
    {
        using var scripts = new TemporaryDirectory();
        var options = Mapped(out var to);
        TestScript.Write(
            Path.Combine(Directory.CreateDirectory(scripts.Combine("bin")).FullName, "sync"),
            $"[ \"$*\" = --help ] && exec echo '  -f  flush'; [ ! -e '{to}/global/pg_control' ] || {{ echo 'Input/output error' >&2; exit 1; }}");
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; PATH='{scripts.Combine("bin")}':$PATH; exec /bin/sh -c \"$*\"");

        var failure = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Message.Should().Contain("Input/output error").And.Contain($"A server may start on 'db.example:{to}', although nothing proves that all of it is on disk: start none. Mend the cause").And.NotContain("no cluster");
        File.Exists(Path.Combine(to, "global", "pg_control")).Should().BeTrue();
    }

    [Fact]
    public async Task A_full_disk_is_told_in_one_line_and_a_count()
    {
        using var disk = TmpfsMount.TryCreate(6 << 20);
        Assert.SkipWhen(disk is null, "Mounting is not permitted here.");
        using var scripts = new TemporaryDirectory();
        var options = Mapped(out _);
        var to = Path.Combine(disk.Path, "copy");
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), "shift; exec /bin/sh -c \"$*\"");

        var failure = (await FluentActions.Awaiting(() => CopyAsync(options)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.Message.Should().Contain("No space left on device");
        failure.InnerException!.Message.Split('\n').Should().HaveCountLessThanOrEqualTo(2, failure.Message);
    }

    [Theory]
    [InlineData("")]
    [InlineData("echo 'tar: base/1/1: Wrote only 2048 of 10240 bytes' >&2; ")]
    public async Task A_tar_that_cannot_write_is_ended_at_once_and_one_that_warns_is_not(string before)
    {
        using var scripts = new TemporaryDirectory();
        var bin = Directory.CreateDirectory(scripts.Combine("bin")).FullName;
        TestScript.Write(
            Path.Combine(bin, "tar"),
            $"echo 'tar: base/1/2: time stamp 2099-01-01 00:00:00 is 1.5 s in the future' >&2; [ ! -e \"$0.bad\" ] || {{ {before}echo 'tar: base/1/2: Cannot write: No space left on device' >&2; echo 'tar: base/1/3: Cannot open: No space left on device' >&2; exec sleep 600; }}; exec /bin/tar \"$@\"");
        var options = Mapped(out var to);
        options.Targets = [$"db.example:{to}"];
        options.RemoteShell = TestScript.Write(scripts.Combine("shell"), $"shift; PATH='{bin}':$PATH; exec /bin/sh -c \"$*\"");
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Token);
        patience.CancelAfter(TimeSpan.FromSeconds(60));

        await CopyAsync(options);
        await File.WriteAllTextAsync(Path.Combine(bin, "tar.bad"), "", Token);
        options.Overwrite = true;
        var copy = new ClusterCopy(scene.Server.DataSource, options);
        var plan = await copy.PlanAsync(patience.Token);
        var failure = (await copy.Awaiting(c => c.ExecuteAsync(plan, cancellationToken: patience.Token)).Should().ThrowAsync<WalBackupException>()).Which;

        failure.InnerException!.Message.Should().MatchRegex("exit code '8': tar: base/1/2: Cannot write: No space left on device\nfurther lines: [123]$");
    }

    [Fact]
    public async Task A_host_that_does_not_answer_is_told_before_anything_is_done()
    {
        using var host = new FakeRemoteHost(refusal: "ssh: connect to host db.example port 22: Connection refused");
        var options = Options("db.example:/srv/copy");
        options.RemoteShell = host.Shell;

        var failure = (await new ClusterCopy(scene.Server.DataSource, options).Awaiting(c => c.PlanAsync(Token)).Should().ThrowAsync<WalBackupException>()).Which;

        (failure.Code, failure.Destination).Should().Be(("wal.backup.copy", "db.example:/srv/copy"));
        failure.Message.Should().Contain("Connection refused");
    }

    private static KeyValuePair<string, string> Rule(string from, string to) => new(from, to);

    private static ClusterCopyOptions Options(string target) => new() { Targets = [target] };

    private ClusterCopyOptions Mapped(out string to)
    {
        var options = Options(to = scene.Fresh("copy"));
        options.TablespaceMap = [Rule(scene.Tablespace, scene.Fresh("space"))];
        return options;
    }

    private async Task<ClusterCopyPlan> CopyAsync(ClusterCopyOptions options)
    {
        var copy = new ClusterCopy(scene.Server.DataSource, options);
        var plan = await copy.PlanAsync(Token);
        await copy.ExecuteAsync(plan, cancellationToken: Token);
        return plan;
    }

    /// <summary>Why a plan cannot be executed; that it is not.</summary>
    private async Task<string> RefusedAsync(ClusterCopyOptions options)
    {
        var copy = new ClusterCopy(scene.Server.DataSource, options);
        var plan = await copy.PlanAsync(Token);
        var refusal = (await copy.Awaiting(c => c.ExecuteAsync(plan, cancellationToken: Token)).Should().ThrowAsync<WalBackupException>()).Which;
        refusal.Code.Should().Be("wal.backup.target");
        return string.Join('\n', plan.Problems);
    }

    /// <summary>Starts a standby on a copy, promotes it and counts its rows.</summary>
    private static async Task RequireServerAsync(ClusterCopyPlan plan)
    {
        await using var server = await PgCluster.StartAsync(
            new PgClusterOptions { ExistingDataDirectory = plan.Targets[0].Folders[0].To, Settings = new Dictionary<string, string> { ["archive_mode"] = "off" } }, Token);
        (await server.ScalarAsync<bool>("SELECT pg_is_in_recovery()", Token)).Should().BeTrue();
        (await server.ScalarAsync<bool>("SELECT pg_promote()", Token)).Should().BeTrue();
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept WHERE length(filler) = 500) + (SELECT count(*) FROM far WHERE filler = md5(id::text))", Token)).Should().Be(2000);
        (await server.ScalarAsync<string>("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'other'", Token)).Should().Be(plan.Targets[0].Folders[1].To);
    }
}
