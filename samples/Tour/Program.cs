using Tour;
using Tour.Mimeo;
using Tour.Partman;
using Tour.Wal;

// Each chapter shows one package on servers of its own; add a chapter here to extend the tour.
IChapter[] chapters = [new WalChapter(), new DrillChapter(), new MimeoChapter(), new PartmanChapter()];

using var stop = new CancellationTokenSource();
Console.CancelKeyPress += (_, key) =>
{
    key.Cancel = true;
    stop.Cancel();
};
var stage = new Stage();
foreach (var chapter in chapters)
{
    stage.Title(chapter.Title);
    try
    {
        await chapter.RunAsync(stage, stop.Token);
    }
    catch (OperationCanceledException) when (stop.IsCancellationRequested)
    {
        stage.Say("Stopped.");
        return 130;
    }
    catch (TourException failure)
    {
        stage.Fail(failure.Message);
        return 1;
    }
}

stage.Say($"The tour is over: {chapters.Length} chapter(s), everything as promised.");
return 0;
