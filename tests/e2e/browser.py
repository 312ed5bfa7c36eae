"""Chromium without a window, with a folder of its own; and the page in it, as a person uses it."""

import tempfile

import pytest
from kiopslab import entries
from lab import Lab
from selenium import webdriver
from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select, WebDriverWait

WAIT_S = 15


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """For a module about the page: with sign-up."""
    made = Lab(tmp_path_factory.mktemp("page"), bridge={"console": "", "signup": ""})
    yield made
    made.close()


def chromium(folder, *, language="en", width=1280, height=900, dark=False):
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
                 "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
                 f"--user-data-dir={folder}", f"--window-size={width},{height}", f"--lang={language}"):
        options.add_argument(word)
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
    driver.set_page_load_timeout(30)
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
    if dark:
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]})
    return driver


class Browser:
    """One person's browser at one bridge."""

    def __init__(self, bridge, **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="kiops-chromium-", ignore_cleanup_errors=True)
        self.page = bridge.page
        self.driver = chromium(self.folder.name, **settings)

    def close(self):
        self.driver.quit()
        self.folder.cleanup()

    # ---- going and waiting

    def wait(self, check, what=None):
        """The first true value of check(); an element that was replaced meanwhile is looked for again."""
        def look(_):
            try:
                return check()
            except (NoSuchElementException, StaleElementReferenceException):
                return False
            except WebDriverException as odd:
                if "does not belong to the document" not in str(odd):  # stale, in the driver's other words
                    raise
                return False
        return WebDriverWait(self.driver, WAIT_S, poll_frequency=0.02).until(look, what or "")

    def settled(self):
        """Nothing is being loaded into the page."""
        self.wait(lambda: self.driver.execute_script("return document.readyState === 'complete' && "
                                                     "document.querySelector('main')?.hasAttribute('aria-busy') === false && "
                                                     "document.querySelector('main').children.length > 0"), "the page does not settle")
        return self

    def open(self, path):
        self.driver.get(self.page + path)
        return self.settled()

    def sign_in(self, name, password=entries.SAMPLE_PASSWORD, path="/users"):
        self.open(path)
        self.type("userName", name)
        self.type("password", password)
        self.click("login-go")
        self.wait(lambda: not self.all("#login") or self.text("#login-alert"))
        return self.settled()

    def forget(self):
        """As another person's browser."""
        self.driver.delete_all_cookies()
        return self

    # ---- looking

    def all(self, css):
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def one(self, css):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def text(self, css):
        found = self.all(css)
        return found[0].text if found else ""

    def rows(self):
        """Who stands in the list, by userName."""
        return self.driver.execute_script("return [...document.querySelectorAll('#list tbody tr')].map((row) => row.dataset.user)")

    def heads(self):
        return self.driver.execute_script("return [...document.querySelectorAll('#list thead th')].map((th) => th.innerText.replace(/[↕↑↓]/g, '').trim())")

    def row(self, name):
        found = self.driver.execute_script("return [...document.querySelectorAll('#list tbody tr')].find((row) => row.dataset.user === arguments[0])", name)
        if found is None:
            raise NoSuchElementException(f"no row of {name}")
        return found

    def tabs(self):
        return [tab.text for tab in self.all('[role="tab"]')]

    def badges(self, name):
        return [b.get_attribute("data-permission") for b in self.row(name).find_elements(By.CSS_SELECTOR, ".badge.on")]

    def said(self):
        return self.driver.execute_script("return document.getElementById('live').textContent")

    def complaints(self):
        """What the browser's console holds against the page, but for answers that tests provoke."""
        return [e["message"] for e in self.driver.get_log("browser") if e["level"] == "SEVERE" and "the server responded with a status" not in e["message"]]

    # ---- doing

    def click(self, target):
        """By id: again while the page is being put in place of the one that was looked at."""
        def press():
            element = self.driver.find_element(By.ID, target) if isinstance(target, str) else target
            if not element.is_enabled():
                return False
            try:
                element.click()
            except WebDriverException as error:
                if "does not belong to the document" in str(error):
                    return False
                raise
            return True
        self.wait(press, target)
        return self

    def type(self, target, text, enter=False):
        element = self.wait(lambda: self.driver.find_element(By.ID, target))
        element.clear()
        element.send_keys(text + (Keys.ENTER if enter else ""))
        return self

    def choose(self, target, value):
        Select(self.wait(lambda: self.driver.find_element(By.ID, target))).select_by_value(value)
        return self.settled()

    def pick(self, target, text):
        """Types into a field that finds, and takes the first that is found."""
        self.type(target, text)
        self.wait(lambda: [text.lower() in li.text.lower() for li in self.all(f"#{target}-list [role=option]")][:1] == [True])
        element = self.driver.find_element(By.ID, target)
        element.send_keys(Keys.ARROW_DOWN, Keys.ENTER)
        return self

    def action(self, name, what):
        """The button of a row: change, permissions, remove, edit, approve, reject."""
        return self.click(self.wait(lambda: self.row(name).find_element(By.CSS_SELECTOR, f'[id^="{what}-"]')))

    def dialog(self):
        return self.wait(lambda: self.one("dialog[open]"))

    def save(self):
        """Presses the dialog's button; returns what it complains of, "" when it is closed. It is taken out in the turn in which
        the page begins to load, a turn after it was closed."""
        self.click("dialog-go")
        self.wait(lambda: not self.all("dialog") or self.text("dialog[open] [role=alert]"))
        problem = self.text("dialog[open] [role=alert]")
        if not problem:
            self.settled()
        return problem

    def shot(self, path):
        self.driver.save_screenshot(str(path))
