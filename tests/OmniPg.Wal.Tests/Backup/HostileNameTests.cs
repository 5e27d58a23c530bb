using System.Text.Json;
using OmniPg.Testing;
using OmniPg.Wal.Tests.Cli;
using OmniPg.Wal.Tests.Receiving;

namespace OmniPg.Wal.Tests.Backup;

/// <summary>Labels, restore points and slots with names that no program would choose: stored as they are, found again by them, and never taken for anything else.</summary>
[Collection(nameof(BackupCollection))]
public sealed class HostileNameTests(BackupScene scene)
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("it's \"one\" \\ %f %p $(touch /tmp/owned) `id`; -- ä")]
    [InlineData("LABEL: x START WAL LOCATION: 0/0 (file 000000010000000000000000)")]
    [InlineData("bell \a and tab \t and \u001b[31mred")]
    [InlineData("äääääääääääääääääääääääääääääääääääääääääääääääääääääääääääääää")]
    public async Task A_label_of_any_text_goes_through_backup_list_and_restore(string label)
    {
        var (store, folder) = ((await scene.NewStoreAsync()).Root, scene.Fresh("restored"));
        ServerAccount.Own(store);
        string[] words = ["backup", "--connection", scene.Server.ConnectionString, "--dst-local", store, "--archive", scene.Archive, "--label", label];

        var made = await scene.Program.RunAsync(words, null, Token);
        var text = await scene.Program.RunAsync(["backups", "--source", store], null, Token);
        var json = await scene.Program.RunAsync(["backups", "--source", store, "--json"], null, Token);
        var restored = await scene.Program.RunAsync(
            ["backup-restore", "--source", store, "--archive", scene.Archive, "--to", folder, "--map", $"{scene.Tablespace}:{scene.Fresh("space")}", "--target-action", "promote"], null, Token);
        await using var server = await scene.StartAsync(folder);

        (made.ExitCode, text.ExitCode, json.ExitCode, restored.ExitCode).Should().Be((0, 0, 0, 0), made.Error + restored.Error);
        foreach (var output in (string[])[made.Output, text.Output])
            output.TrimEnd('\n').Should().NotContainAny("\n", "\a", "\t", "\u001b").And.Contain("stored), '").And.EndWith("'");
        JsonDocument.Parse(json.Output).RootElement.GetProperty("backups")[0].GetProperty("label").GetString().Should().Be(label);
        File.ReadAllLines(Path.Combine(folder, "backup_label.old")).Should().Contain($"LABEL: {label}");
        (await server.ScalarAsync<long>("SELECT (SELECT count(*) FROM kept) + (SELECT count(*) FROM far)", Token)).Should().Be(2000);
    }

    [Theory]
    [InlineData("two\nlines")]
    [InlineData("")]
    public async Task A_label_that_would_be_more_than_a_line_of_the_servers_file_is_refused(string label)
    {
        var store = await scene.NewStoreAsync();

        var refused = await WalProgram.RunAsync("backup", "--connection", scene.Server.ConnectionString, "--dst-local", store.Root, "--label", label);

        refused.ExitCode.Should().Be(64);
        refused.Error.Should().Contain("must be one line of 1 to 1024 bytes");
        (await new BackupCatalog(store).ListAsync(Token)).Should().BeEmpty();
    }

    [Theory]
    [InlineData("it's \"one\" \\ %f\nrecovery_target_action = 'shutdown'")]
    [InlineData("ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss!")]
    public async Task A_restore_point_of_any_name_is_shown_and_recovered_to(string name)
    {
        var (store, backup) = await scene.MadeAsync();
        await scene.Server.ExecuteAsync("CREATE TABLE named AS SELECT 1 AS before", Token);
        await using (var command = scene.Server.DataSource.CreateCommand("SELECT pg_create_restore_point($1)"))
        {
            command.Parameters.Add(new() { Value = name });
            await command.ExecuteScalarAsync(Token);
        }

        await scene.Server.ExecuteAsync("INSERT INTO named VALUES (2)", Token);
        await scene.Server.ExecuteAsync("SELECT pg_switch_wal()", Token);
        await scene.ArchivedAsync();
        await scene.Server.ExecuteAsync("DROP TABLE named", Token);
        var (folder, archive) = (scene.Fresh("restored"), await scene.PlainArchiveAsync());

        var shown = await WalProgram.RunAsync("show", "--archive", archive.Root, "--json");
        var text = await WalProgram.RunAsync("show", "--archive", archive.Root);
        var restored = await WalProgram.RunAsync(
            "backup-restore", "--source", store.Root, "--backup", backup.Id, "--archive", archive.Root, "--restore-command", $"cp '{archive.Root}/%f' '%p'", "--to", folder,
            "--map", $"{scene.Tablespace}:{scene.Fresh("space")}", "--target-name", name, "--target-action", "promote");
        await using var server = await scene.StartAsync(folder);

        restored.ExitCode.Should().Be(0, restored.Error);
        JsonDocument.Parse(shown.Output).RootElement.GetProperty("restorePoints").EnumerateArray().Select(p => p.GetProperty("name").GetString()).Should().Contain(name);
        text.Output.Split('\n').Should().NotContain(line => line.StartsWith("recovery_target_action", StringComparison.Ordinal));
        (await server.ScalarAsync<long>("SELECT sum(before) FROM named", Token)).Should().Be(1);
    }

    [Theory]
    [InlineData("a'b")]
    [InlineData("a b; DROP_REPLICATION_SLOT x")]
    [InlineData("Upper")]
    [InlineData("two\nlines")]
    [InlineData("ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss")]
    public async Task A_slot_name_that_PostgreSQL_would_not_take_reaches_no_command(string name)
    {
        var into = Directory.CreateDirectory(scene.Fresh("into")).FullName;

        var refused = await WalProgram.RunAsync("receive", "--connection", scene.Server.ConnectionString, "--slot", name, "--create-slot", "--into", into);

        refused.ExitCode.Should().Be(64);
        refused.Error.Should().Contain("must consist of 1 to 63 lower-case letters, digits and underscores").And.Subject.Trim().Should().NotContain("\n");
        Directory.GetFileSystemEntries(into).Should().BeEmpty();
    }

    [Fact]
    public async Task A_slot_may_have_a_name_of_63_bytes()
    {
        var options = new WalReceiverOptions { Slot = new string('s', 63), CreateSlot = true, Directory = Directory.CreateDirectory(scene.Fresh("into")).FullName };

        await using var running = await RunningReceiver.StartAsync(scene.Server, scene.Server.ConnectionString, options);

        (await scene.Server.ScalarAsync<bool>($"SELECT active FROM pg_replication_slots WHERE slot_name = '{options.Slot}'", Token)).Should().BeTrue();
    }
}
